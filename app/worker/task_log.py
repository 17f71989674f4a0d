"""Collect the log lines of one attempt and write them in groups: at most one a second, and all before its end."""

import asyncio
import logging
import os
import sys
import threading
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any, Final

from app.core import retry
from app.core.errors import Unavailable
from app.tasks import log_store
from app.tasks.run import log_lines
from app.tasks.run.attempts import Claim
from app.tasks.run.log_lines import LogLine
from app.worker.runtime import Runtime

_log = logging.getLogger(__name__)

INTERVAL: Final = 1.0
"""Seconds from the first line of a group until it is written."""
# More lines than any tenant keeps of a task: they would only use memory.
_MAX_LINES: Final = 10_000


class TaskLog:
    """The log of one attempt. Lines come from any thread; they are written on the loop of the runtime."""

    def __init__(self, runtime: Runtime, claim: Claim) -> None:
        """``claim`` is the attempt: its token is the proof that lines may be stored for it."""
        self._runtime, self._claim = runtime, claim
        self._lock = threading.Lock()
        self._lines: list[LogLine] = []
        self._seq, self._bytes, self._dropped = 0, 0, 0
        self._is_full = self._is_closed = False
        # Groups are written one after the other, so that they are committed in their order.
        self._writing = asyncio.Lock()
        self._pid = os.getpid()

    @property
    def is_used(self) -> bool:
        """Return whether the code has logged anything."""
        return self._seq > 0 or self._dropped > 0

    def add(self, level: int, message: str, fields: str | None) -> None:
        """Keep a line, or count it as dropped if the attempt has no room for it. Never raises, never waits."""
        at = datetime.now(UTC)
        with self._lock:
            # A process that the code has forked has a copy of this object, and nothing that would write its lines.
            if self._is_closed or os.getpid() != self._pid:
                return
            line = LogLine(self._seq + 1, at, log_lines.level_name(level), message, fields)
            if self._is_full or self._seq >= _MAX_LINES or self._bytes + line.size > log_lines.MAX_BYTES:
                # From here on all are dropped, also short ones: what is kept then has no holes.
                self._is_full = True
                self._dropped += 1
                return
            self._seq += 1
            self._bytes += line.size
            self._lines.append(line)
            is_first = len(self._lines) == 1
        if is_first:
            self._runtime.start(self._flush_later())

    async def close(self, runtime: Runtime) -> None:
        """Write what is left, and then how many lines were dropped. The attempt's end is written after this.

        ``runtime`` is the one on which this runs. It is another one than the log's own if that has a blocked loop.
        """
        with self._lock:
            self._is_closed = True
        if runtime is self._runtime:
            await self._flush()
        else:
            # A write that the blocked loop has begun holds its turn, and does not end.
            await self._write_lines(runtime)
        if self._dropped:
            line = LogLine(self._seq + 1, datetime.now(UTC), "WARNING", log_lines.dropped(self._dropped), None)
            await self._append(runtime, [line], is_bounded=False)

    async def _flush_later(self) -> None:
        await asyncio.sleep(INTERVAL)
        await self._flush()

    async def _flush(self) -> None:
        async with self._writing:
            await self._write_lines(self._runtime)

    async def _write_lines(self, runtime: Runtime) -> None:
        with self._lock:
            lines, self._lines = self._lines, []
        if not lines:
            return
        stored = await self._append(runtime, lines, is_bounded=True)
        with self._lock:
            if stored < len(lines):
                self._is_full = True
                self._dropped += len(lines) - stored

    async def _append(self, runtime: Runtime, lines: list[LogLine], *, is_bounded: bool) -> int:
        try:
            return await retry.until_back(
                lambda: self._append_once(runtime, lines, is_bounded=is_bounded), Unavailable, _warn
            )
        except Exception:  # noqa: BLE001 a line that cannot be stored must not cost the attempt its end
            _log.warning("cannot store log lines of a task", exc_info=True, extra={"task_id": str(self._claim.task_id)})
            return 0

    async def _append_once(self, runtime: Runtime, lines: list[LogLine], *, is_bounded: bool) -> int:
        async with runtime.database.transaction(self._claim.tenant_id) as connection:
            return await log_store.append(
                connection, self._claim.tenant_id, self._claim, lines, plan=self._claim.plan, is_bounded=is_bounded
            )


class TaskLogger(logging.LoggerAdapter[logging.Logger]):
    """The logger of a task's code. Each line goes to the worker's own log, and is stored for the tenant.

    Stored are lines from INFO up, and those below that the worker's own log takes.
    """

    def __init__(self, logger: logging.Logger, names: dict[str, object], stored: TaskLog) -> None:
        """``names`` are the fields that name the tenant, the task and the attempt in the worker's log."""
        super().__init__(logger, names)
        self._stored = stored

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Add the names to the line. They come last, so that code cannot log under another tenant's name."""
        kwargs["extra"] = {**(kwargs.get("extra") or {}), **(self.extra or {})}
        return msg, kwargs

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Log a line. ``extra`` becomes its fields."""
        if level >= logging.INFO or self.isEnabledFor(level):
            error = _error(kwargs.get("exc_info"))
            self._stored.add(level, log_lines.message(msg, args, error), log_lines.fields(kwargs.get("extra")))
        super().log(level, msg, *args, **kwargs)


def _error(exc_info: object) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return exc_info[1] if len(exc_info) > 1 and isinstance(exc_info[1], BaseException) else None
    return sys.exc_info()[1] if exc_info else None


def _warn(_: Exception, pause: float) -> None:
    _log.warning("the log lines of a task wait for Postgres", extra={"pause_s": pause})
