"""Send server-sent events (WHATWG HTML, 9.2), and end the streams when the server stops.

The format comes from FastAPI's own ``fastapi.sse``. Its way of answering is not used: it decides for a whole route
whether the answer is a stream, runs two more asyncio tasks for each stream, and does not end when the server stops.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Final, TypeAlias

from fastapi.sse import EventSourceResponse, format_sse_event
from starlette.types import Receive, Scope, Send

MEDIA_TYPE: Final = "text/event-stream"
COMMENT_INTERVAL: Final = 15.0
"""Seconds after which a stream without events sends a comment, so that no proxy takes it for dead."""

End: TypeAlias = Callable[[], object]
"""Ends a stream. It may be called at any time, and more than once."""

# nginx would hold events back until its buffer is full. This header switches that off for one answer.
_NO_CACHE: Final = MappingProxyType({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


def message(data: str, identifier: str) -> bytes:
    """Return one event. ``data`` has no line break."""
    return format_sse_event(data_str=data, id=identifier)


def position(identifier: str) -> bytes:
    """Return a block that sets the last event id and shows nothing: the client resumes there."""
    return format_sse_event(id=identifier)


def comment(text: str, identifier: str | None = None) -> bytes:
    """Return a comment, with a new place if one is given."""
    return format_sse_event(comment=text, id=identifier)


def is_asked(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    """Return whether the Accept headers of a request prefer a stream to JSON."""
    accepted = b",".join(value for name, value in headers if name == b"accept").decode("latin-1").lower()
    qualities: dict[str, float] = {}
    for part in accepted.split(","):
        media_type, *parameters = (piece.strip() for piece in part.split(";"))
        qualities[media_type] = _quality(parameters)
    # Of two equal preferences JSON wins: a client that accepts anything cannot be expected to read a stream.
    return qualities.get(MEDIA_TYPE, 0.0) > qualities.get("application/json", 0.0)


def _quality(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


class EventStream(EventSourceResponse):
    """The answer of a stream. It ends with its events, its client, its permission or the server."""

    # The streams that are open in this process, each as the function that ends it.
    _open: set[End] = set()  # noqa: RUF012 shared on purpose: the server ends all of them

    def __init__(
        self,
        chunks: AsyncGenerator[bytes, None],
        opened: Callable[[End], AbstractContextManager[None]],
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """``chunks`` are the events. ``opened`` is given the function that ends the stream, and is open until then."""
        super().__init__(chunks, headers={**_NO_CACHE, "Vary": "Accept", **headers})
        self._chunks = chunks
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 part of ASGI
        """Send the events until one of the sides ends the stream."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        sending = asyncio.create_task(self._send(send), name="event-stream")
        gone = asyncio.create_task(until_gone(receive), name="event-stream-client")
        end = sending.cancel
        gone.add_done_callback(lambda _: end())
        self._open.add(end)
        try:
            with self._opened(end):
                await asyncio.wait([sending])
        finally:
            self._open.discard(end)
            sending.cancel()
            gone.cancel()
        if not sending.cancelled() and (error := sending.exception()):
            # The answer has begun, so no problem can be sent: the client sees that it is incomplete, and resumes.
            raise error
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send) -> None:
        async with contextlib.aclosing(self._chunks) as chunks:
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})

    @classmethod
    def end_all(cls) -> None:
        """End every open stream of this process. The server calls it when it stops; the clients resume elsewhere."""
        # A copy, because a stream that ends leaves the set.
        for end in list(cls._open):
            end()


async def until_gone(receive: Receive) -> None:
    """Return when the client of a request without a body has disconnected."""
    # The other messages are parts of a body, which has no meaning in a GET request.
    while (await receive())["type"] != "http.disconnect":
        pass
