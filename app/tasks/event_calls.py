"""Handlers of the calls that follow one task."""

from starlette.requests import Request
from starlette.responses import Response

from app.events.calls import client_of
from app.events.parameters import After, LastEventId
from app.http import event_stream
from app.http.event_stream import EventStream
from app.http.json_response import JsonResponse, NoResponse
from app.identity import credentials
from app.identity.principal import Principal
from app.tasks.event_schemas import StreamToken
from app.tasks.parameters import TaskId, Wait
from app.tasks.parts import TaskParts
from app.tasks.read import following, history
from app.tenants import plans


async def list_task_events(
    request: Request,
    principal: Principal,
    parts: TaskParts,
    task_id: TaskId,
    after: After = None,
    wait: Wait = 0,
    last_event_id: LastEventId = None,
) -> Response:
    """Return what has happened to the task, from its beginning; with `Accept: text/event-stream` stream it to its end.

    A reader that comes late misses nothing but the earlier ones of several progress reports. A stream that is resumed
    after the end of the task is answered with 204.
    """
    followed = principal.tenant_id, task_id
    is_stream = event_stream.is_asked(request.scope["headers"])
    named = (last_event_id if is_stream else None) or after
    point = history.BEGINNING if named is None else history.decode(*followed, named)
    if is_stream:
        return await _stream(request, principal, parts, followed, point)
    entries = await following.poll(parts.following, followed, point, wait, client_of(request, parts))
    if entries is None:
        return NoResponse()
    reached = entries[-1].point if entries else point
    next_cursor = "null" if reached.is_end else f'"{history.encode(*followed, reached)}"'
    items = ",".join(entry.text for entry in entries)
    return JsonResponse(f'{{"items":[{items}],"next_cursor":{next_cursor}}}', headers={"Vary": "Accept"})


async def _stream(
    request: Request, principal: Principal, parts: TaskParts, followed: following.Followed, point: history.Point
) -> Response:
    """Answer with a stream. Raises ``TooManyStreams``, ``NotFound`` and ``Unavailable``."""
    with parts.streams.reserved(principal.tenant_id, plans.limits_of(principal).streams) as reserved:
        # Read before the answer begins, so that an error is an answer of its own.
        first = await parts.following.after(followed, point)
        if point.is_end:
            # The status by which an EventSource of a browser knows that it must not connect again.
            return Response(status_code=204)
        opened = reserved.keep(credentials.of(request.scope))
    return EventStream(following.stream(parts.following, followed, point, first), opened)


async def create_stream_token(principal: Principal, parts: TaskParts, task_id: TaskId) -> Response:
    """Make a token that may only read this task: its status, its result and its events.

    A browser sends it as `?access_token=` to these calls. It is valid for up to 15 minutes, and ends with the key or
    token that made it.
    """
    # Only for the error if the tenant has no such task.
    await parts.reading.status(principal.tenant_id, task_id)
    token, seconds = parts.verifier.sign_stream_token(principal, task_id)
    answer = StreamToken(access_token=token, expires_in=seconds)
    return JsonResponse(answer.model_dump_json(), headers={"Cache-Control": "no-store"})
