"""Supervise the children's attempts from the main process: end those that must end, and those of dead children."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeAlias
from uuid import UUID

from app.core import failpoints
from app.tasks.definition import types
from app.tasks.run import after_commit, outcomes
from app.tasks.run.attempts import AttemptEnd, Outcome
from app.tasks.run.cancellation import Verdict
from app.tasks.run.claim import retry_state
from app.tasks.run.timing import WORKER_GRACE
from app.worker import finish_writer
from app.worker.cancellation_poller import CancellationPoller
from app.worker.prefork import process_kill
from app.worker.prefork.orphan_processes import OrphanProcesses
from app.worker.prefork.shared_attempts import Child, SharedAttempt, SharedAttempts
from app.worker.prefork.stall_detector import StallDetector
from app.worker.runtime import Runtime

_log = logging.getLogger(__name__)

# Seconds between two looks at the shared attempts, and between two looks at an attempt that was asked to end.
_TICK: Final = 0.25
_GRACE_STEP: Final = 0.05

_End: TypeAlias = Callable[[SharedAttempt], Coroutine[Any, Any, None]]


class Supervisor:
    """Ends cancelled, overdue and fenced attempts, and attempts whose child process has died.

    A fenced attempt is one that was taken away: another worker may run its task by now. The supervisor also kills
    children whose event loop is stalled, because they can neither claim nor write an end.
    """

    def __init__(self, runtime: Runtime, shared_attempts: SharedAttempts, *, pool: str) -> None:
        """``runtime`` is the main process's own; ``pool`` names the pool whose tickets are offered after an end."""
        self._runtime = runtime
        self._shared_attempts = shared_attempts
        self._pool = pool
        # The ends under way, by claim token or by a child's pid: each look would otherwise begin them again.
        self._ending: dict[UUID | int, asyncio.Task[None]] = {}
        self._orphan_processes = OrphanProcesses()
        self._stall_detector = StallDetector(shared_attempts)

    async def run(self, redis_url: str) -> None:
        """Look at the shared attempts four times a second; poll Postgres every 3 s and after each cancel message."""
        poller = CancellationPoller(self._runtime.database, self._shared_attempts.running, self._on_verdict)
        async with asyncio.TaskGroup() as group:
            group.create_task(poller.run(redis_url))
            group.create_task(self._keep_looking())

    def _on_verdict(self, attempt: SharedAttempt, verdict: Verdict) -> None:
        self._begin_end(attempt, self._end_cancelled if verdict == "cancelled" else self._end_fenced)

    async def _keep_looking(self) -> None:
        while True:
            try:
                self._look()
            except Exception:  # noqa: BLE001 without the next look no time limit would be enforced
                _log.exception("the supervisor cannot check the children's attempts; retrying")
            await asyncio.sleep(_TICK)

    def _look(self) -> None:
        now, held = time.monotonic(), self._shared_attempts.attempts()
        gone = {pid for pid in {attempt.pid for attempt in held} if process_kill.is_gone(pid)}
        # A dead child may have left processes behind, which go on with the work of its attempt.
        for pid in gone:
            self._begin(pid, self._orphan_processes.end())
        for attempt in held:
            if attempt.pid in gone:
                self._begin_end(attempt, self._end_for_dead_child(attempt))
            elif attempt.is_running and now >= attempt.ends_at:
                self._begin_end(attempt, self._end_overdue)
        for child in self._stall_detector.look(now):
            self._begin(child.pid, self._end_stalled_child(child))

    def _end_for_dead_child(self, attempt: SharedAttempt) -> _End:
        if attempt.is_running:
            return self._end_crashed
        return self._end_unwritten if attempt.has_begun else self._end_unrun

    def _begin_end(self, attempt: SharedAttempt, end: _End) -> None:
        if attempt.claim_token not in self._ending:
            self._begin(attempt.claim_token, end(attempt))

    def _begin(self, key: UUID | int, end: Coroutine[Any, Any, None]) -> None:
        if key in self._ending:
            # A coroutine that is never awaited warns, unless it is closed.
            end.close()
        else:
            self._ending[key] = asyncio.create_task(self._end(key, end))

    async def _end(self, key: UUID | int, end: Coroutine[Any, Any, None]) -> None:
        try:
            await end
        except Exception:  # noqa: BLE001 the next look begins it again
            _log.exception("cannot end an attempt; retrying")
        finally:
            del self._ending[key]

    async def _end_cancelled(self, attempt: SharedAttempt) -> None:
        self._shared_attempts.ask_to_end(attempt)
        if not await self._ends_by_itself(attempt) and await process_kill.kill(self._shared_attempts, attempt):
            await self._write(attempt, outcomes.revoked())

    async def _end_fenced(self, attempt: SharedAttempt) -> None:
        # Another worker may run the task by now, so the rest of this attempt is useless. An attempt that has just
        # written its end looks the same in Postgres: it gets a second to leave the shared memory.
        if not await self._ends_by_itself(attempt) and await process_kill.kill(self._shared_attempts, attempt):
            after_commit.warn_of_fence(attempt)

    async def _ends_by_itself(self, attempt: SharedAttempt) -> bool:
        for _ in range(int(WORKER_GRACE / _GRACE_STEP)):
            await asyncio.sleep(_GRACE_STEP)
            if not self._shared_attempts.holds(attempt):
                return True
        return False

    async def _end_overdue(self, attempt: SharedAttempt) -> None:
        if await process_kill.kill(self._shared_attempts, attempt):
            await self._fail(
                attempt, outcomes.TimeLimitExceeded("the attempt ran beyond its time limit and was killed")
            )

    async def _end_crashed(self, attempt: SharedAttempt) -> None:
        await self._fail(attempt, outcomes.TaskCrashed("its process was killed, ran out of memory or exited"))
        self._shared_attempts.forget(attempt)

    async def _end_unwritten(self, attempt: SharedAttempt) -> None:
        # The code had ended, but its result died with the child. If the end was written before, nothing changes here.
        if tried := await retry_state(self._runtime.database, attempt):
            await self._write(attempt, outcomes.lost(tried.times_lost))
        self._shared_attempts.forget(attempt)

    async def _end_unrun(self, attempt: SharedAttempt) -> None:
        # The code had not begun, so the attempt is given back and does not count.
        await self._write(attempt, outcomes.returned(0))
        self._shared_attempts.forget(attempt)

    async def _end_stalled_child(self, child: Child) -> None:
        if await process_kill.kill_child(child.pid, lambda: child in self._shared_attempts.children()):
            _log.error("the event loop of a child was blocked: the child was killed", extra={"child": child.pid})

    async def _fail(self, attempt: SharedAttempt, error: Exception) -> None:
        tried = await retry_state(self._runtime.database, attempt)
        task_type = tried and types.find(tried.task)
        if tried is not None and task_type:
            await self._write(attempt, outcomes.failure(task_type, tried, error))

    async def _write(self, attempt: SharedAttempt, outcome: Outcome) -> None:
        failpoints.hit("supervisor.before_write")
        await finish_writer.write_from_outside(self._runtime, AttemptEnd(attempt, outcome), pool=self._pool)
