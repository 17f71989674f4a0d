"""Follow a tenant's events: wait for the next page, or stream one event after another."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Final

from app.core.errors import Problem
from app.events import cursor
from app.events.ask import Ask, LogPage
from app.events.reader import LogReader
from app.http import event_stream, long_poll
from app.http.event_stream import COMMENT_INTERVAL
from app.http.long_poll import WaitingClient

# Seconds between a wake-up and the read. Events that are committed meanwhile share the read and the packet.
_GATHER_SECONDS: Final = 0.01


async def poll(reader: LogReader, ask: Ask, seconds: float, client: WaitingClient) -> LogPage | None:
    """Return the next page; wait up to ``seconds`` if it would be empty because there is nothing new.

    Returns None if the client has disconnected. Raises ``CursorLost`` and ``Unavailable``.
    """
    if seconds <= 0:
        return await reader.page(ask)
    after = ask.after
    with reader.watch(ask.tenant_id) as watch:

        async def read() -> LogPage:
            nonlocal after
            page = await reader.page(replace(ask, after=after))
            after, watch.seq = page.place, page.place.seq
            return page

        return await long_poll.poll(read, lambda page: bool(page.items) or not page.is_at_head, watch, seconds, client)


async def stream(reader: LogReader, ask: Ask, first: LogPage) -> AsyncGenerator[bytes, None]:
    """Yield the events of the page ``first`` and all later ones, as server-sent events without end.

    It ends if the events are lost to the reader, or if Postgres is away: the client resumes, and gets the error then.
    """
    clock = asyncio.get_running_loop().time
    page, said_at, told = first, clock(), ask.after
    if not page.items:
        # So that a client which is cut off before the first event resumes here.
        told = page.place
        yield event_stream.position(cursor.encode(ask.tenant_id, told))
    with reader.watch(ask.tenant_id) as watch:
        # The first page was read before the watch began, so another one is read before the first wait.
        has_looked = False
        while True:
            if page.items:
                yield page.messages
                said_at, told = clock(), page.items[-1].place
                page = replace(page, items=())
            elif clock() - said_at >= COMMENT_INTERVAL:
                # With a filter, the place moves on although nothing is sent.
                moved = cursor.encode(ask.tenant_id, page.place) if page.place != told else None
                yield event_stream.comment("nothing new", moved)
                said_at, told = clock(), page.place
            if has_looked and page.is_at_head:
                watch.seq = page.place.seq
                if not await watch.hear(said_at + COMMENT_INTERVAL - clock()):
                    continue
                await asyncio.sleep(_GATHER_SECONDS)
            try:
                page, has_looked = await reader.page(replace(ask, after=page.place)), True
            except Problem:
                return
