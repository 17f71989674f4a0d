"""Follow tasks: read what has happened to them, and wait for more."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeAlias
from uuid import UUID

from app.broker.wakeups import Waiters, Wakeup
from app.core.batcher import Batcher
from app.core.errors import NotFound, Unavailable
from app.core.log_limiter import LogLimiter
from app.db import Database
from app.http import event_stream, long_poll
from app.http.event_stream import COMMENT_INTERVAL
from app.http.long_poll import WaitingClient
from app.tasks.read import history, store
from app.tasks.read.history import HistoryEntry, Point

_log_limiter = LogLimiter(logging.getLogger(__name__))

# Tasks of one statement.
_MAX_HISTORIES: Final = 64
_MAX_MARKS: Final = 500
# Seconds between two looks at all tasks that are followed. No message says that an attempt has begun or made progress.
_LOOK_INTERVAL: Final = 1.0
_RETRY_SECONDS: Final = 0.5

Followed: TypeAlias = tuple[UUID, UUID]
"""A tenant and its task."""


class Following:
    """Reads the histories of tasks for one api process. A follower uses no connection while it waits."""

    def __init__(self, reader: Database, waiters: Waiters) -> None:
        """``reader`` logs in as tq_api; ``waiters`` receives the wake-ups for tasks that end."""
        self._reader = reader
        self._waiters = waiters
        self._histories = Batcher(self._find, max_items=_MAX_HISTORIES)
        self._watched: dict[Followed, set[Wakeup]] = {}
        self._marks: dict[Followed, str] = {}

    async def close(self) -> None:
        """Wait until all reads that have begun are done."""
        await self._histories.close()

    async def after(self, followed: Followed, point: Point) -> list[HistoryEntry]:
        """Return what has happened to a task after a point. Raises ``NotFound`` and ``Unavailable``."""
        row = await self._histories.ask((followed, point.last_line))
        if row is None:
            raise NotFound("There is no such task. GET /api/tasks lists your tasks.")
        return history.after(followed[1], row, point)

    async def known(self, tenant_id: UUID, task_ids: Sequence[UUID]) -> list[UUID]:
        """Return those of the tasks that exist and are the tenant's. Raises ``Unavailable``."""
        async with self._reader.statement() as connection:
            marks = await store.marks_any_tenant(connection, [(tenant_id, task_id) for task_id in task_ids])
        return list(marks)

    @contextmanager
    def watch(self, followed: Followed) -> Iterator[Wakeup]:
        """Yield a wake-up for changes of a task. Read it inside the block, before the first wait.

        The caller knows that the task is the tenant's: messages name a task, not its tenant.
        """
        with self._waiters.watch(followed[1]) as wakeup:
            self._watched.setdefault(followed, set()).add(wakeup)
            try:
                yield wakeup
            finally:
                self._watched[followed].discard(wakeup)
                if not self._watched[followed]:
                    del self._watched[followed]
                    self._marks.pop(followed, None)

    async def run(self) -> None:
        """Look once a second which of the followed tasks have changed, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_INTERVAL)
            try:
                watched = list(self._watched)
                for start in range(0, len(watched), _MAX_MARKS):
                    await self._look(watched[start : start + _MAX_MARKS])
            except Exception as error:  # noqa: BLE001 after any error the next look follows
                _log_limiter.warn("cannot look at the tasks that are followed", reason=type(error).__name__)

    async def _look(self, group: Sequence[Followed]) -> None:
        async with self._reader.statement() as connection:
            marks = await store.marks_any_tenant(connection, group)
        for followed in group:
            # A task that was deleted has no mark. That is a change as well, and its readers must learn of it.
            mark = marks.get(followed[1], "")
            if followed in self._watched and self._marks.get(followed) != mark:
                self._marks[followed] = mark
                for wakeup in self._watched[followed]:
                    wakeup.wake()

    async def _find(self, wanted: Sequence[tuple[Followed, tuple[int, int]]]) -> list[Any]:
        # Followers of one task that have read the same lines share one read.
        distinct = list(dict.fromkeys(wanted))
        tasks, lines = [followed for followed, _ in distinct], [last_line for _, last_line in distinct]
        async with self._reader.statement() as connection:
            rows = await store.histories_any_tenant(connection, tasks, lines, limit=history.MAX_LINES)
        found = {distinct[row["number"] - 1]: row for row in rows}
        return [found.get(each) for each in wanted]


async def poll(
    following: Following, followed: Followed, point: Point, seconds: float, client: WaitingClient
) -> list[HistoryEntry] | None:
    """Return what has happened to a task after a point; wait up to ``seconds`` if that is nothing.

    Returns None if the client has disconnected. Raises ``NotFound`` and ``Unavailable``.
    """
    with following.watch(followed) as wakeup:

        async def read() -> list[HistoryEntry]:
            return await following.after(followed, point)

        # Nothing follows the end of a task.
        return await long_poll.poll(read, lambda found: bool(found) or point.is_end, wakeup, seconds, client)


async def stream(
    following: Following, followed: Followed, point: Point, first: Sequence[HistoryEntry]
) -> AsyncGenerator[bytes, None]:
    """Yield what has happened to a task and what still happens, as server-sent events. Ends after the task's end.

    ``first`` are the entries after ``point``, which were read already.
    """
    clock = asyncio.get_running_loop().time
    entries, said_at = first, clock()
    with following.watch(followed) as wakeup:
        # The first entries were read before the watch began, so they are read once more before the first wait.
        wakeup.wake()
        while True:
            if entries:
                yield b"".join(event_stream.message(entry.text, entry.cursor(*followed)) for entry in entries)
                point, said_at = entries[-1].point, clock()
                if point.is_end:
                    return
                if len(entries) >= history.MAX_LINES:
                    # There may be more log lines, which no signal announces.
                    wakeup.wake()
            elif clock() - said_at >= COMMENT_INTERVAL:
                yield event_stream.comment("nothing new")
                said_at = clock()
            entries = []
            if await wakeup.hear(said_at + COMMENT_INTERVAL - clock()):
                try:
                    entries = await following.after(followed, point)
                except Unavailable:
                    # A short absence of Postgres must not cut every stream. During a long one, their credentials cannot
                    # be confirmed, and they end.
                    await asyncio.sleep(_RETRY_SECONDS)
                    wakeup.wake()
                except NotFound:
                    # The task was erased.
                    return
