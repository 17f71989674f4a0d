"""The end of a tenant's log, which the streams of one process follow together: each page is read once for all."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from app.core.errors import Unavailable
from app.events.ask import Ask, LogPage
from app.events.cursor import OLDEST, Position
from app.events.reader import LogReader

# Seconds between a wake-up and the read. Events that are committed meanwhile share the read and the packet.
_GATHER_SECONDS: Final = 0.01
_RETRY_SECONDS: Final = 0.5
# Seconds. A longer wait is only a new one.
_LONG: Final = 3_600.0


class Tail:
    """The latest place that was read for the streams of a tenant with one filter, and the page that comes next."""

    def __init__(self, reader: LogReader, ask: Ask) -> None:
        """``ask`` has the place at which it begins."""
        self._reader = reader
        self._ask = ask
        self._next: asyncio.Future[LogPage] = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._run(), name="events-tail")
        self.users = 0

    @property
    def place(self) -> Position:
        """Return the place up to which pages were given out."""
        return self._ask.after

    async def next_page(self, seconds: float) -> LogPage | None:
        """Return the page after ``place``, as soon as there is one; None after ``seconds``.

        Raises ``CursorLost``.
        """
        # The future is shared, so it is waited for and never cancelled.
        coming = self._next
        await asyncio.wait([coming], timeout=max(0.0, seconds))
        return coming.result() if coming.done() else None

    def close(self) -> None:
        """Stop reading."""
        self._reading.cancel()

    async def _run(self) -> None:
        with self._reader.watch(self._ask.tenant_id) as watch:
            # The place was read before the watch began, so the first read is made at once.
            watch.wake()
            while True:
                watch.seq = self.place.seq
                if not await watch.hear(_LONG):
                    continue
                await asyncio.sleep(_GATHER_SECONDS)
                try:
                    page = await self._reader.page(self._ask)
                except Unavailable:
                    # A short absence of Postgres must not cut every stream. During a long one, their credentials cannot
                    # be confirmed, and they end.
                    await asyncio.sleep(_RETRY_SECONDS)
                    watch.wake()
                    continue
                except Exception as error:  # noqa: BLE001 each stream raises it
                    self._next.set_exception(error)
                    # Nobody may be waiting at this moment.
                    self._next.exception()
                    return
                if page.place != self.place:
                    self._give(page)
                if not page.is_at_head:
                    watch.wake()

    def _give(self, page: LogPage) -> None:
        # The next future is there before the page is given out: a stream may ask for it at once.
        given, self._next = self._next, asyncio.get_running_loop().create_future()
        self._ask = replace(self._ask, after=page.place)
        given.set_result(page)


class Tails:
    """The tails that streams of this process follow."""

    def __init__(self, reader: LogReader) -> None:
        """``reader`` reads the log."""
        self._reader = reader
        self._tails: dict[Ask, Tail] = {}

    @contextmanager
    def joined(self, ask: Ask) -> Iterator[Tail]:
        """Yield the tail of a tenant and a filter. It may be before or after the place of ``ask``."""
        # The place is no part of the key: streams at different places follow the same tail.
        key = replace(ask, after=OLDEST)
        tail = self._tails.get(key)
        if tail is None:
            tail = self._tails[key] = Tail(self._reader, ask)
        tail.users += 1
        try:
            yield tail
        finally:
            tail.users -= 1
            if not tail.users:
                tail.close()
                del self._tails[key]
