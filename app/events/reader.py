"""Read the event log for all streams and polls of an api process."""

import asyncio
import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app.broker.wakeups import Waiters, Wakeup
from app.core.batcher import Batcher
from app.core.errors import CursorLost
from app.core.log_limiter import LogLimiter
from app.db import Database
from app.events import cursor, store
from app.events.ask import Ask, Item, LogPage
from app.events.cursor import Position
from app.events.types import EventType

_log_limiter = LogLimiter(logging.getLogger(__name__))

# Pages of one statement. A page has at most 100 events.
_MAX_PAGES: Final = 32
# Seconds between two looks at all tenants with readers. A message may be lost, and so may Redis.
_LOOK_INTERVAL: Final = 2.0
_LOOK_INTERVAL_WITHOUT_REDIS: Final = 1.0
_compact: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class Watch:
    """One reader that waits for new events of its tenant."""

    def __init__(self, wakeup: Wakeup) -> None:
        """``wakeup`` hears every end of the tenant."""
        self._wakeup = wakeup
        self.seq = -1
        """The number up to which the reader has read."""

    async def hear(self, timeout: float) -> bool:  # noqa: ASYNC109 the caller's time is the subject
        """Wait until there may be new events, for up to ``timeout`` seconds; return whether it was woken."""
        return await self._wakeup.hear(timeout)

    def look(self, head: int) -> None:
        """Wake the reader if the latest event is not the one that it has read."""
        # Not only if it is greater: a database that was set back has a smaller number.
        if self.seq != head:
            self._wakeup.wake()

    def wake(self) -> None:
        """Wake the reader."""
        self._wakeup.wake()


class LogReader:
    """The one reader of the event log in an api process.

    A message of Redis wakes the readers of its tenants. ``run`` also looks at all tenants that have readers, by one
    statement. So a reader that waits costs nothing, and uses no connection.
    """

    def __init__(self, database: Database, waiters: Waiters) -> None:
        """``database`` logs in as tq_api; ``waiters`` receives the wake-ups for ends."""
        self._database = database
        self._waiters = waiters
        self._pages: Batcher[Ask, LogPage | CursorLost] = Batcher(self._find, max_items=_MAX_PAGES)
        self._watches: dict[UUID, set[Watch]] = {}

    async def close(self) -> None:
        """Wait until all reads that have begun are done."""
        await self._pages.close()

    async def page(self, ask: Ask) -> LogPage:
        """Return the next page of a reader.

        Raises ``CursorLost`` if events after the place are not kept any more, ``Unavailable``.
        """
        page = await self._pages.ask(ask)
        if isinstance(page, CursorLost):
            # A copy, because several readers may share the answer, and each raises it with its own traceback.
            raise CursorLost(**page.extensions)
        return page

    @contextmanager
    def watch(self, tenant_id: UUID) -> Iterator[Watch]:
        """Yield a watch for a tenant's events. Read a page inside the block, before the first ``wait``."""
        # In this order no event is missed: it comes either before the read or as a message after it.
        with self._waiters.watch(tenant_id) as wakeup:
            watch = Watch(wakeup)
            self._watches.setdefault(tenant_id, set()).add(watch)
            try:
                yield watch
            finally:
                self._watches[tenant_id].discard(watch)
                if not self._watches[tenant_id]:
                    del self._watches[tenant_id]

    def hear_ends(self, tenant_id: UUID) -> AbstractContextManager[Wakeup]:
        """Return the context of a wake-up for the ends of a tenant's tasks, for who needs no event.

        Nothing looks for what a message has missed.
        """
        return self._waiters.watch(tenant_id)

    async def run(self) -> None:
        """Look for new events of all tenants with readers from time to time, until cancelled."""
        clock = asyncio.get_running_loop().time
        looked_at = clock()
        while True:
            await asyncio.sleep(_LOOK_INTERVAL_WITHOUT_REDIS)
            if self._waiters.healthy and clock() - looked_at < _LOOK_INTERVAL:
                continue
            looked_at = clock()
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001 after any error the next look follows
                _log_limiter.warn("cannot look for new events", reason=type(error).__name__)

    async def _look(self) -> None:
        # Nobody waits, so an idle process asks Postgres nothing.
        if not self._watches:
            return
        async with self._database.statement() as connection:
            heads = await store.heads_any_tenant(connection, list(self._watches))
        for tenant_id, head in heads.items():
            for watch in self._watches.get(tenant_id, ()):
                watch.look(head)

    async def _find(self, asked: Sequence[Ask]) -> list[LogPage | CursorLost]:
        # Streams of one tenant that have read everything ask for the same page, so it is read and rendered once.
        distinct = list(dict.fromkeys(asked))
        async with self._database.statement() as connection:
            rows = await store.pages_any_tenant(connection, distinct)
        found: dict[Ask, LogPage | CursorLost] = {}
        items: list[Item] = []
        for row in rows:
            if row["outcome"] == "event":
                items.append(Item(_place(row), render(row)))
                continue
            ask = distinct[row["number"] - 1]
            if row["outcome"] == "page":
                found[ask] = LogPage(ask.tenant_id, items, _place(row), row["head"])
            else:
                found[ask] = CursorLost(oldest_cursor=cursor.encode(ask.tenant_id, _place(row)))
            items = []
        return [found[ask] for ask in asked]


def _place(row: Any) -> Position:
    return Position(row["seq"], row["id"])


def render(row: Any) -> str:
    """Return an event as JSON. ``tags``, ``error`` and ``data`` of the row are JSON texts, or None."""
    kind = EventType(row["type"])
    head = f'{{"id":"evt_{row["id"].hex}","type":"{kind}","created_at":"{timestamp(row["created_at"])}","data":'
    if row["data"] is not None:
        return f"{head}{row['data']}}}"
    # Written as text, because a pydantic model would cost far more. Only the name of the task type needs escaping.
    return (
        f'{head}{{"task_id":"{row["subject"]}","task":{_compact(row["task"])},"status":"{kind.task_status}",'
        f'"attempt_count":{row["attempt"]},"tags":{row["tags"] or "[]"},"error":{row["error"] or "null"},'
        '"flow_id":null,"schedule_id":null}}'
    )


def timestamp(moment: datetime) -> str:
    """Return a time in UTC as events name it, to the microsecond."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
