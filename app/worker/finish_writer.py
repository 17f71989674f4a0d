"""Write the ends of this process's attempts. Attempts that end at about the same time share one SQL statement."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple, TypeAlias

import asyncpg

from app.core.batcher import Batcher
from app.tasks.run import after_commit, end, outcomes
from app.tasks.run.attempts import AttemptEnd, AttemptRef, Claim, FinishResult
from app.worker.executor import RunResult
from app.worker.runtime import Runtime
from app.worker.task_log import TaskLog

_log = logging.getLogger(__name__)

# Ends in one statement. Bounded, because 64 results of 1 MB are 64 MB of memory.
_AT_ONCE: Final = 64
# Errors about the content: from Postgres (SQLSTATE 22… and 54…), its driver, or our own JSON encoding.
_OF_CONTENT: Final = (asyncpg.DataError, asyncpg.ProgramLimitExceededError, ValueError, TypeError, RecursionError)
# Seconds before an end is written again unchanged, after an error that is not about its content (such as a deadlock).
_PAUSES: Final = (0.1, 0.5, 2.0)

# An exception if the end could not be written as it is, so that its caller tries other ways. None if the attempt had
# been taken away before.
_Written: TypeAlias = FinishResult | Exception | None


class _Waiting(NamedTuple):
    """An end to be written, and the future that its caller waits for."""

    attempt_end: AttemptEnd
    found: "asyncio.Future[FinishResult | None]"


class FinishWriter:
    """Writes the ends of this process's attempts. Ends that arrive during a write share the next one."""

    def __init__(
        self,
        runtime: Runtime,
        drop: Callable[[Sequence[AttemptRef]], None],
        statement_lock: asyncio.Lock | None = None,
    ) -> None:
        """``drop`` is called with the attempts that are over: their end is written, or they had been taken away.

        A write of ends waits for ``statement_lock``, with which the caller keeps its other statements from running at
        the same time.
        """
        self._runtime = runtime
        self._drop = drop
        self._statement_lock = statement_lock or asyncio.Lock()
        # No timeout: an end must be written, however long Postgres is unavailable.
        self._batcher: Batcher[_Waiting, None] = Batcher(self._write_group, max_items=_AT_ONCE, timeout=None)

    async def write(self, claim: Claim, run: RunResult) -> FinishResult | None:
        """Write the end of an attempt, waiting for Postgres if necessary; return None if it had been taken away.

        If the content cannot be stored, the end is written with less of it: first without the progress, then without
        the return value or error of the code. Raises the error if even that fails.
        """
        return await self.add(claim, run)

    def add(self, claim: Claim, run: RunResult) -> "asyncio.Future[FinishResult | None]":
        """Write the end of an attempt as ``write`` does, without an asyncio task: the future gets what it returns."""
        attempt_end = AttemptEnd(claim, run.outcome, run.progress, seconds=run.seconds, has_webhook=claim.has_webhook)
        found: asyncio.Future[FinishResult | None] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(attempt_end, found)
        if run.log is None:
            self._batcher.add(waiting)
        else:
            self._runtime.spawn(self._add_after_log(run.log, waiting))
        return found

    async def _add_after_log(self, log: TaskLog, waiting: _Waiting) -> None:
        # Before the end, so that a reader who sees that the task has ended finds all of its lines.
        try:
            await log.close(self._runtime)
        finally:
            self._batcher.add(waiting)

    async def _write_group(self, group: Sequence[_Waiting]) -> list[None]:
        async with self._statement_lock:
            written = await self._write([waiting.attempt_end for waiting in group])
        for waiting, result in zip(group, written, strict=True):
            if isinstance(result, Exception):
                # Outside the group, so that no other end waits.
                self._runtime.spawn(self._write_reduced(waiting, result))
            else:
                _answer(waiting, result)
        return [None] * len(group)

    async def _write(self, ends: Sequence[AttemptEnd]) -> list[_Written]:
        written: list[_Written]
        try:
            written = [*await end.end(self._runtime.database, ends)]
        except Exception as error:  # noqa: BLE001 it is returned, and other ways are tried
            # One end that cannot be written must not prevent the others, so each is written alone.
            written = [error] if len(ends) == 1 else [await self._write_alone(attempt_end) for attempt_end in ends]
        pairs = zip(ends, written, strict=True)
        self._forget([(each, result) for each, result in pairs if not isinstance(result, Exception)])
        return written

    async def _write_alone(self, attempt_end: AttemptEnd) -> _Written:
        try:
            return (await end.end(self._runtime.database, [attempt_end]))[0]
        except Exception as error:  # noqa: BLE001 it is returned, and other ways are tried
            return error

    async def _write_reduced(self, waiting: _Waiting, error: Exception) -> None:
        """Write an end that could not be written as it is, with less content each time, and answer its caller."""
        attempt_end = waiting.attempt_end
        for pause, reduced in _reductions(attempt_end, error):
            # Only the type of the error is logged: its text may quote what the tenant's code returned.
            facts = after_commit.names(attempt_end.ref) | {"error": type(error).__name__}
            _log.warning("cannot write the end of an attempt: trying again, or with less content", extra=facts)
            await asyncio.sleep(pause)
            result = await self._write_alone(reduced)
            if not isinstance(result, Exception):
                self._forget([(attempt_end, result)])
                _answer(waiting, result)
                return
            error = result
        self._forget([(attempt_end, None)])
        if not waiting.found.done():
            waiting.found.set_exception(error)

    def _forget(self, written: Sequence[tuple[AttemptEnd, FinishResult | None]]) -> None:
        refs, results = [each.ref for each, _ in written], [result for _, result in written]
        self._drop(refs)
        webhooks = after_commit.with_webhooks([each for each, _ in written], results)
        ended = [(ref.tenant_id, ref.task_id) for ref in refs]
        self._runtime.spawn(after_commit.wake(self._runtime.redis, ended, webhooks=webhooks))


def _answer(waiting: _Waiting, result: FinishResult | None) -> None:
    after_commit.log(waiting.attempt_end, result)
    if not waiting.found.done():
        waiting.found.set_result(result)


def _reductions(attempt_end: AttemptEnd, error: Exception) -> Iterator[tuple[float, AttemptEnd]]:
    """Yield pairs of a pause in seconds and the end to write after it. Each end has the same content or less."""
    if not isinstance(error, _OF_CONTENT):
        # A deadlock or an unknown error: the same statement may well work the next time.
        yield from ((pause, attempt_end) for pause in _PAUSES)
    if attempt_end.progress is not None:
        attempt_end = replace(attempt_end, progress=None)
        yield 0, attempt_end
    yield 0, replace(attempt_end, outcome=outcomes.without_content(attempt_end.outcome))


async def write_from_outside(runtime: Runtime, attempt_end: AttemptEnd, *, pool: str) -> None:
    """Write the end of another process's attempt, wake the clients that wait for it, and offer a ticket if needed."""
    ends = [attempt_end]
    results = await end.end(runtime.database, ends)
    await after_commit.after_commit(runtime.redis, ends, results, pool=pool)
