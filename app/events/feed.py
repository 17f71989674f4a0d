"""Follow a tenant's events: wait for the next page, or stream one event after another."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

from app.core.errors import Problem
from app.events import cursor
from app.events.ask import Ask, LogPage
from app.events.reader import LogReader
from app.events.tail import Tail, Tails
from app.http import event_stream, long_poll
from app.http.event_stream import COMMENT_INTERVAL
from app.http.long_poll import WaitingClient


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


async def stream(reader: LogReader, tails: Tails, ask: Ask, first: LogPage) -> AsyncGenerator[bytes, None]:
    """Yield the events of the page ``first`` and all later ones, as server-sent events without end.

    It ends if the events are lost to the reader: the client resumes, and gets the error then.
    """
    clock = asyncio.get_running_loop().time
    place = told = first.place
    said_at = clock()
    if first.items:
        yield first.messages
        told = first.items[-1].place
    else:
        # So that a client which is cut off before the first event resumes here.
        yield event_stream.position(cursor.encode(ask.tenant_id, place))
    with tails.joined(replace(ask, after=place)) as tail:
        while True:
            try:
                page = await _page_after(reader, tail, replace(ask, after=place), said_at + COMMENT_INTERVAL - clock())
            # The answer has begun, so no problem can be sent any more.
            except Problem:
                return
            if page is not None:
                place = page.place
                if page.items:
                    yield page.messages
                    said_at, told = clock(), page.items[-1].place
            if clock() - said_at >= COMMENT_INTERVAL:
                # With a filter, the place moves on although nothing is sent.
                moved = cursor.encode(ask.tenant_id, place) if place != told else None
                yield event_stream.comment("nothing new", moved)
                said_at, told = clock(), place


async def _page_after(reader: LogReader, tail: Tail, ask: Ask, seconds: float) -> LogPage | None:
    """Return the page after a place: from the tail, or by a read if the place is before it. None: no page in time."""
    before = tail.place
    if ask.after.seq < before.seq:
        return await reader.page(ask)
    page = await tail.next_page(seconds)
    if page is None or ask.after == before:
        return page
    # The stream has read beyond the tail before it joined: the tail repeats what the stream has sent already.
    return page.after(ask.after)
