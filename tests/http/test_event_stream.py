"""Streams of server-sent events: their format, and every way in which they end."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest

from app.http import event_stream
from app.http.event_stream import End, EventStream

ACCEPTS = {
    b"text/event-stream": True,
    b"Text/Event-Stream; charset=utf-8": True,
    b"text/event-stream, */*": True,
    b"text/event-stream, application/json;q=0.9": True,
    b"application/json, text/event-stream": False,
    b"text/event-stream;q=0": False,
    b"text/event-stream;q=much": False,
    b"*/*": False,
    b"": False,
}


@pytest.mark.parametrize("accept", ACCEPTS)
def test_a_stream_is_sent_to_who_prefers_it(accept: bytes):
    assert event_stream.is_asked([(b"accept", accept)]) == ACCEPTS[accept]


def test_without_an_accept_header_no_stream_is_sent():
    assert not event_stream.is_asked([(b"host", b"a")])
    assert event_stream.is_asked([(b"accept", b"text/html"), (b"accept", b"text/event-stream")])


def test_the_blocks_are_those_of_the_standard():
    assert event_stream.message('{"a":1}', "c1") == b'data: {"a":1}\nid: c1\n\n'
    assert event_stream.position("c1") == b"id: c1\n\n"
    assert event_stream.comment("quiet") == b": quiet\n\n"
    assert event_stream.comment("quiet", "c1") == b": quiet\nid: c1\n\n"


class Client:
    """The server's side of a connection."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.gone = asyncio.Event()
        self.is_closed = False

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    @contextlib.contextmanager
    def opened(self, end: End) -> Iterator[None]:
        self.end = end
        yield
        self.is_closed = True

    async def answer(self, chunks: AsyncGenerator[bytes, None]) -> asyncio.Task[None]:
        """Answer with a stream; return once its first chunk is sent."""
        stream = EventStream(chunks, self.opened)
        running = asyncio.create_task(stream({"type": "http"}, self.receive, self.send))  # type: ignore[arg-type]
        async with asyncio.timeout(5):
            while len(self.sent) < 2:  # noqa: ASYNC110 the messages are a list
                await asyncio.sleep(0)
        return running


class Chunks:
    """Events that come one, and then no more."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.is_closed = False

    async def __call__(self) -> AsyncGenerator[bytes, None]:
        try:
            yield b"data: 1\n\n"
            if self.error:
                raise self.error
            await asyncio.Event().wait()
        finally:
            self.is_closed = True


@pytest.mark.parametrize("how", ["the client", "the permission", "the server"])
async def test_a_stream_ends_with_each_of_its_sides(how: str):
    client, chunks = Client(), Chunks()
    running = await client.answer(chunks())
    assert client.sent[0]["status"] == 200
    assert dict(client.sent[0]["headers"])[b"content-type"].startswith(b"text/event-stream")
    assert dict(client.sent[0]["headers"])[b"cache-control"] == b"no-store"
    if how == "the client":
        client.gone.set()
    elif how == "the permission":
        client.end()
    else:
        EventStream.end_all()
    async with asyncio.timeout(5):
        await running
    assert client.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
    assert chunks.is_closed
    assert client.is_closed
    # Nothing of it is left.
    assert not EventStream._open


async def test_an_error_in_a_stream_leaves_the_answer_incomplete():
    client, chunks = Client(), Chunks(ZeroDivisionError())
    running = await client.answer(chunks())
    with pytest.raises(ZeroDivisionError):
        await running
    assert client.sent[-1]["more_body"]
    assert not EventStream._open
