"""Clients that do not read: real sockets, and the guarded protocol on the loop of the api."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from app.http import write_deadline
from app.http.protocol_limits import GuardedProtocol
from app.http.write_deadline import WriteDeadline

# More than the kernel holds for a client that takes little.
SIZE = 12_000_000
TIMEOUT = 0.5


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    size = int(scope["path"].removeprefix("/"))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % size)]})
    await send({"type": "http.response.body", "body": b"x" * size})


@pytest.fixture(params=["uvloop", "asyncio"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[uvicorn.Server]:
    monkeypatch.setattr(write_deadline, "WRITE_TIMEOUT", TIMEOUT)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(_app, http=GuardedProtocol, loop=request.param, log_config=None, lifespan="off")
    made = uvicorn.Server(config)
    thread = threading.Thread(target=made.run, args=([listener],), daemon=True)
    thread.start()
    _until(lambda: made.started)
    made.port = listener.getsockname()[1]  # type: ignore[attr-defined]
    yield made
    made.should_exit = True
    thread.join(20)
    assert not thread.is_alive()
    assert WriteDeadline._waiting == {}


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextlib.contextmanager
def _asking(server: uvicorn.Server, size: int, *headers: str) -> Iterator[socket.socket]:
    connection = socket.socket()
    # The kernel takes little for a client that does not read.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    connection.settimeout(30)
    connection.connect(("127.0.0.1", server.port))  # type: ignore[attr-defined]
    with connection:
        connection.sendall("\r\n".join([f"GET /{size} HTTP/1.1", "host: a", *headers, "", ""]).encode())
        yield connection


def _connections(server: uvicorn.Server) -> int:
    return len(server.server_state.connections)


@pytest.mark.parametrize("header", [[], ["connection: close"]], ids=["kept", "to be closed"])
def test_a_client_that_does_not_read_its_answer_is_let_go(server: uvicorn.Server, header: list[str]):
    with _asking(server, SIZE, *header) as connection:
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        _until(lambda: _connections(server) == 0)
        received = 0
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(1_048_576):
                received += len(part)
        assert received < SIZE


def test_a_client_that_reads_slowly_is_served(server: uvicorn.Server):
    with _asking(server, SIZE, "connection: close") as connection:
        received, until = 0, time.monotonic() + 8 * TIMEOUT
        while part := connection.recv(65_536):
            received += len(part)
            # Slower than the kernel's buffers are refilled within the time-out, for many times that; then at once.
            if time.monotonic() < until:
                time.sleep(TIMEOUT / 10)
    assert received > SIZE


def test_an_answer_that_is_read_leaves_no_timer(server: uvicorn.Server):
    with _asking(server, SIZE) as connection:
        received = 0
        while received < SIZE:
            received += len(connection.recv(1_048_576))
        _until(lambda: not WriteDeadline._waiting)
        connection.sendall(b"GET /2 HTTP/1.1\r\nhost: a\r\n\r\n")
        _until(lambda: connection.recv(65_536).endswith(b"\r\n\r\nxx"))


def test_clients_that_do_not_read_share_a_bound_and_the_longest_idle_go_first(
    server: uvicorn.Server, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(write_deadline, "WRITE_TIMEOUT", 60.0)
    monkeypatch.setattr(write_deadline, "MAX_UNSENT_BYTES", SIZE)
    monkeypatch.setattr(write_deadline, "IMPATIENT_TIMEOUT", 0.0)
    with contextlib.ExitStack() as stack:
        for count in range(1, 5):
            connection = stack.enter_context(_asking(server, SIZE))
            assert connection.recv(15) == b"HTTP/1.1 200 OK"
            _until(lambda: len(WriteDeadline._waiting) == 1)
            _until(lambda: _connections(server) == 1)
            assert count
        # The newest is still served.
        received = 15
        while received < SIZE:
            received += len(connection.recv(1_048_576))
