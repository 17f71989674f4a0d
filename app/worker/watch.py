"""The main process's watch over its children's attempts: those that must end, and those whose child has died."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias
from uuid import UUID

from app.broker import wakeups
from app.core import crash
from app.core.errors import Unavailable
from app.tasks import control, lifecycle, types
from app.tasks.lifecycle import Outcome
from app.worker import endings, outcomes, termination
from app.worker.board import Board, Running
from app.worker.runtime import Runtime

_log = logging.getLogger(__name__)

_TICK: Final = 0.25
_ASK_INTERVAL: Final = 3.0
_GRACE: Final = 1.0
"""Seconds in which code may end by itself: what was cancelled has then read ``context.cancel_requested``."""
_GRACE_STEP: Final = 0.05

_End: TypeAlias = Callable[[Running], Awaitable[None]]


class TimeLimitExceeded(Exception):  # noqa: N818 Celery's name
    """The attempt ran beyond its hard limit, and its process was killed."""


class Watch:
    """What one worker ends from outside: cancelled, overdue and fenced attempts, and those without a process."""

    def __init__(self, runtime: Runtime, board: Board, *, pool: str) -> None:
        """Watch the attempts on the board."""
        self._runtime = runtime
        self._board = board
        self._pool = pool
        self._ending: dict[UUID, asyncio.Task[None]] = {}
        self._ask_at = 0.0

    async def run(self, redis_url: str) -> None:
        """Look at the board four times a second; ask Postgres every 3 s and with each wake-up."""
        async with asyncio.TaskGroup() as group:
            group.create_task(wakeups.listen_cancels(redis_url, self._hear))
            group.create_task(self._look_again_and_again())

    def _hear(self, task_id: UUID) -> None:
        # A wake-up only says when: what is to end, Postgres says.
        if any(running.task_id == task_id for running in self._board.running()):
            self._ask_at = 0.0

    async def _look_again_and_again(self) -> None:
        while True:
            try:
                self._look()
                if time.monotonic() >= self._ask_at:
                    self._ask_at = time.monotonic() + _ASK_INTERVAL
                    await self._ask()
            except Exception:  # noqa: BLE001 whatever happens, the next look is tried
                _log.exception("the watch has missed a look")
            await asyncio.sleep(_TICK)

    def _look(self) -> None:
        now = time.monotonic()
        for running in self._board.running():
            if termination.is_gone(running.pid):
                self._begin(running, self._end_crashed)
            elif now >= running.ends_at:
                self._begin(running, self._end_overdue)

    async def _ask(self) -> None:
        running = self._board.running()
        try:
            verdicts = await control.verdicts(self._runtime.database, running)
        except Unavailable:
            _log.warning("cancelled tasks not looked for, Postgres is away")
            return
        ends = {"cancelled": self._end_cancelled, "fenced": self._end_fenced}
        for attempt in running:
            if verdict := verdicts.get(attempt.claim_token):
                self._begin(attempt, ends[verdict])

    def _begin(self, running: Running, end: _End) -> None:
        if running.claim_token not in self._ending:
            self._ending[running.claim_token] = asyncio.create_task(self._end(running, end))

    async def _end(self, running: Running, end: _End) -> None:
        try:
            await end(running)
        except Exception:  # noqa: BLE001 logged, and the next look begins it anew
            _log.exception("an attempt was not ended; it is tried again")
        finally:
            del self._ending[running.claim_token]

    async def _end_cancelled(self, running: Running) -> None:
        self._board.ask_to_end(running)
        if not await self._ends_by_itself(running) and await termination.kill(self._board, running):
            await self._write(running, lifecycle.revoked())

    async def _end_fenced(self, running: Running) -> None:
        # Another worker may run the task by now, so what this one still does is of no use. But an attempt that has
        # just written its end looks the same, and needs a moment to leave.
        if not await self._ends_by_itself(running) and await termination.kill(self._board, running):
            _log.warning("attempt", extra=_names(running) | {"outcome": "FENCED"})

    async def _ends_by_itself(self, running: Running) -> bool:
        for _ in range(int(_GRACE / _GRACE_STEP)):
            await asyncio.sleep(_GRACE_STEP)
            if not self._board.holds(running):
                return True
        return False

    async def _end_overdue(self, running: Running) -> None:
        if await termination.kill(self._board, running):
            await self._fail(running, TimeLimitExceeded("the attempt ran beyond its time limit and was killed"))

    async def _end_crashed(self, running: Running) -> None:
        await self._fail(running, outcomes.TaskCrashed("its process was killed, ran out of memory or exited"))
        self._board.forget(running)

    async def _fail(self, running: Running, error: Exception) -> None:
        attempt = await lifecycle.find(self._runtime.database, running)
        task_type = attempt and types.find(attempt.task)
        if attempt is not None and task_type:
            await self._write(running, outcomes.failure(task_type, attempt, error))

    async def _write(self, running: Running, outcome: Outcome) -> None:
        crash.point("watch.before_write")
        status = await endings.write(self._runtime, running, outcome, pool=self._pool)
        error_type = (outcome.error or {}).get("type")
        _log.info("attempt", extra=_names(running) | {"outcome": status or "FENCED", "error_type": error_type})


def _names(running: Running) -> dict[str, str]:
    return {"tenant_id": str(running.tenant_id), "task_id": str(running.task_id)}
