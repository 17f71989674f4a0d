"""Bodies that arrive after their request was answered: real sockets, and the guarded protocol on the loop of the api."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from app.http import unread_body
from app.http.protocol_limits import GuardedProtocol

SIZE = 255 * 1024


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the body for /read, refuse it unread for every other path."""
    more = scope["path"] == "/read"
    while more:
        more = (await receive()).get("more_body", False)
    await send({"type": "http.response.start", "status": 429, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture(params=["uvloop", "asyncio"])
def client(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    """A connection to a server of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(_app, http=GuardedProtocol, loop=request.param, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    with socket.create_connection(listener.getsockname(), 30) as connection:
        yield connection
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()


def _ask(client: socket.socket, path: str, size: int) -> None:
    client.sendall(f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode() + b"x" * size)
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        part = client.recv(4_096)
        assert part, "the connection is closed"
        answer += part
    assert answer.startswith(b"HTTP/1.1 429 ")


def test_refused_bodies_are_taken_at_a_bounded_pace(client: socket.socket):
    begun = time.monotonic()
    for _ in range(8):
        _ask(client, "/refused", SIZE)
    elapsed = time.monotonic() - begun
    # A pause is never shorter than asked, however slow the machine is. The last two bodies may still be under way.
    assert elapsed >= 6 * SIZE / unread_body.BYTES_PER_SECOND * 0.9


@pytest.mark.parametrize(("path", "size"), [("/read", SIZE), ("/refused", unread_body.MIN_BYTES // 2)])
def test_bodies_that_are_read_or_small_wait_for_nothing(
    client: socket.socket, monkeypatch: pytest.MonkeyPatch, path: str, size: int
):
    # At this pace a single pause would outlast the connection's timeout.
    monkeypatch.setattr(unread_body, "BYTES_PER_SECOND", 1)
    for _ in range(2):
        _ask(client, path, size)
