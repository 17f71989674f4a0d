"""The one stream of events of a browser: it says that something has changed, and the page asks for itself again."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

from starlette.responses import Response

from app.console import rendering
from app.console.visit import Visit
from app.core import ids
from app.http import event_stream
from app.http.event_stream import EventStream
from app.identity.credentials import Credential

MAX_FOLLOWED: Final = 50
"""The most tasks that one stream follows in addition to the ends of all tasks."""
_GATHER_SECONDS: Final = 1.0
_ENDED: Final = event_stream.message('{"type": "task.ended", "data": {}}', "")


async def stream(visit: Visit) -> Response:
    """Stream that tasks of the tenant have ended, and every change of the tasks that the URL names.

    A message names no more than a task's id. The stream counts as one of the tenant's ``streams``, and ends with the
    session. Raises ``TooManyStreams``.
    """
    if visit.request.method == "HEAD":
        # The answer has no body that could end, so a stream would hold the connection for nothing.
        return Response(headers=rendering.HEADERS, media_type=event_stream.MEDIA_TYPE)
    named = visit.request.query_params.get("tasks", "").split(",")[:MAX_FOLLOWED]
    followed = [task_id for text in named if (task_id := ids.read(text)) is not None]
    parts, limits = visit.parts, visit.limits
    # An id of another tenant's task must not tell when that task changes.
    followed = await parts.following.known(visit.tenant_id, followed)
    with parts.streams.reserved(visit.tenant_id, limits.streams) as reserved:
        # The stream ends with the session, so that a page of a person who was signed out shows nothing new.
        opened = reserved.keep(Credential(visit.cookie, is_session=True))
    return EventStream(_messages(visit, followed), opened, headers=rendering.HEADERS)


async def _messages(visit: Visit, followed: Sequence[UUID]) -> AsyncGenerator[bytes, None]:
    """Yield what the sources have to say, as it comes."""
    # Few, because a browser that does not read is closed by its own tab anyway; a full queue only delays the sources.
    queue: asyncio.Queue[bytes] = asyncio.Queue(100)
    yield event_stream.comment("open")
    async with _running(_watch(visit, task_id, queue) for task_id in followed), _running([_tell_ends(visit, queue)]):
        while True:
            try:
                async with asyncio.timeout(event_stream.COMMENT_INTERVAL):
                    chunk = await queue.get()
            except TimeoutError:
                yield event_stream.comment("nothing new")
                continue
            yield chunk


async def _tell_ends(visit: Visit, queue: "asyncio.Queue[bytes]") -> None:
    """Say that tasks of the tenant have ended: at once, and while more do, once in a second or more seldom.

    It reads nothing: a tenant whose tasks end a hundred times in a second costs no more for each open page than one
    with a few. A page that misses a message asks by itself after some seconds.
    """
    with visit.parts.log_reader.hear_ends(visit.tenant_id) as wakeup:
        while True:
            if await wakeup.hear(event_stream.COMMENT_INTERVAL):
                await queue.put(_ENDED)
                # No page asks more often.
                await asyncio.sleep(max(_GATHER_SECONDS, visit.pace.gap(visit.tenant_id)))


async def _watch(visit: Visit, task_id: UUID, queue: "asyncio.Queue[bytes]") -> None:
    """Say each time that a task of the tenant has changed."""
    message = event_stream.message(json.dumps({"type": "task.changed", "data": {"task_id": str(task_id)}}), "")
    with visit.parts.following.watch((visit.tenant_id, task_id)) as wakeup:
        while True:
            if await wakeup.hear(event_stream.COMMENT_INTERVAL):
                await queue.put(message)


@asynccontextmanager
async def _running(work: Iterable[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run coroutines in the background until the block ends."""
    tasks = [asyncio.create_task(each, name="console-live") for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
