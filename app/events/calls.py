"""Handlers of the calls that follow a tenant's events."""

from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from app.core.errors import NoEventLog
from app.events import cursor, feed
from app.events.ask import Ask
from app.events.cursor import NOW, OLDEST, Position
from app.events.parameters import After, LastEventId, PageSize, TagFilter, TaskFilter, TypeFilter, Wait
from app.events.parts import EventParts
from app.http import event_stream
from app.http.event_stream import EventStream
from app.http.json_response import JsonResponse, NoResponse
from app.http.long_poll import WaitingClient
from app.identity import credentials
from app.identity.principal import Principal
from app.tenants import plans

# Events of a page of a stream.
_STREAM_PAGE = 100


async def list_events(
    request: Request,
    principal: Principal,
    parts: EventParts,
    after: After = None,
    type: TypeFilter = None,  # noqa: A002 the name of the parameter
    task: TaskFilter = None,
    tag: TagFilter = None,
    wait: Wait = 0,
    limit: PageSize = 100,
    last_event_id: LastEventId = None,
) -> Response:
    """Return the events after a cursor, oldest first; with `Accept: text/event-stream` stream them.

    Without `after`, the pages begin with the oldest event that is kept, and a stream begins now. With a filter, a page
    reads at most 1,000 events, so it may be empty although a later one is not.
    """
    limits = plans.limits_of(principal)
    if not limits.event_hours:
        raise NoEventLog("The limit event_hours is 0, so no events are kept. Ask the operator to raise it.")
    is_stream = event_stream.is_asked(request.scope["headers"])
    place = _place(principal, after, last_event_id, is_stream=is_stream)
    ask = Ask(principal.tenant_id, place, limits.event_hours, _STREAM_PAGE if is_stream else limit, type, task, tag)
    if is_stream:
        return await _stream(request, parts, ask, limits.streams)
    page = await feed.poll(parts.log_reader, ask, wait, client_of(request, parts))
    if page is None:
        return NoResponse()
    items, next_cursor = ",".join(item.text for item in page.items), cursor.encode(ask.tenant_id, page.place)
    return JsonResponse(f'{{"items":[{items}],"next_cursor":"{next_cursor}"}}', headers={"Vary": "Accept"})


def _place(principal: Principal, after: str | None, last_event_id: str | None, *, is_stream: bool) -> Position:
    """Return the place after which the caller reads. Raises ``InvalidCursor``."""
    # A browser sends Last-Event-ID when it connects again, to the same URL. So it is newer than ``after``.
    named = (last_event_id if is_stream else None) or after
    if named is not None:
        return cursor.decode(principal.tenant_id, named)
    return NOW if is_stream else OLDEST


async def _stream(request: Request, parts: EventParts, ask: Ask, limit: int) -> Response:
    """Answer with a stream. Raises ``TooManyStreams``, ``CursorLost`` and ``Unavailable``."""
    with parts.streams.reserved(ask.tenant_id, limit) as reserved:
        # Read before the answer begins, so that an error is an answer of its own.
        first = await parts.log_reader.page(ask)
        opened = reserved.keep(credentials.of(request.scope))
    return EventStream(feed.stream(parts.log_reader, parts.tails, ask, first), opened)


def client_of(request: Request, parts: EventParts) -> WaitingClient:
    """Return the client of a request that waits."""
    return WaitingClient(
        still_may=partial(parts.verifier.authenticate, request.scope, is_again=True),
        gone=partial(event_stream.until_gone, request.receive),
    )
