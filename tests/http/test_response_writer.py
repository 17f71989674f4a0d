"""What uvicorn writes, as the guarded protocol sends it: real sockets, and an app of every kind of response."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from app.http.protocol_limits import GuardedProtocol
from app.http.response_writer import Writer


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    path = scope["path"]
    if path == "/echo":
        body, is_whole = b"", False
        while not is_whole:
            message = await receive()
            body += message["body"]
            is_whole = not message["more_body"]
        await _start(send, 200, b"%d" % len(body))
        await send({"type": "http.response.body", "body": body})
    elif path == "/none":
        await _start(send, 204)
        await send({"type": "http.response.body"})
    elif path == "/empty":
        await _start(send, 200, b"0")
        await send({"type": "http.response.body"})
    elif path == "/chunks":
        await _start(send, 200)
        for number in range(3):
            await send({"type": "http.response.body", "body": b"%d" % number, "more_body": True})
        await send({"type": "http.response.body", "body": b"HTTP/1.1 200\r\ncontent-length: 9"})
    elif path == "/parts":
        await _start(send, 200, b"3")
        for number in range(3):
            await send({"type": "http.response.body", "body": b"%d" % number, "more_body": number < 2})
    elif path == "/breaks":
        await _start(send, 200, b"10")
        raise RuntimeError


async def _start(send: Send, status: int, length: bytes | None = None) -> None:
    headers = [] if length is None else [(b"content-length", length)]
    await send({"type": "http.response.start", "status": status, "headers": headers})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(_app, http=GuardedProtocol, loop="uvloop", log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(10)
    assert not thread.is_alive()


def _ask(port: int, *requests: bytes) -> bytes:
    """Send requests on one connection, the last of which closes it; return all that comes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"".join(requests))
        found = b""
        while part := connection.recv(65_536):
            found += part
    return found


def _request(method: str, path: str, body: bytes = b"", *headers: str, closes: bool = True) -> bytes:
    more = [*headers, f"content-length: {len(body)}", *(["connection: close"] if closes else [])]
    return "\r\n".join([f"{method} {path} HTTP/1.1", "host: a", *more, "", ""]).encode() + body


def test_a_body_follows_its_head(port: int):
    found = _ask(port, _request("POST", "/echo", b"x" * 300_000))
    head, _, body = found.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body == b"x" * 300_000


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/none", 204), ("GET", "/empty", 200), ("HEAD", "/parts", 200)]
)
def test_a_head_without_a_body_is_sent(port: int, method: str, path: str, status: int):
    found = _ask(port, _request(method, path))
    assert found.startswith(b"HTTP/1.1 %d " % status)
    assert found.endswith(b"\r\n\r\n")


def test_answers_on_one_connection_keep_their_order_and_their_bodies(port: int):
    kept = [("POST", "/echo", b"a"), ("HEAD", "/parts", b""), ("GET", "/none", b""), ("POST", "/echo", b"b")]
    requests = [_request(method, path, body, closes=False) for method, path, body in kept]
    found = _ask(port, *requests, _request("GET", "/parts")).split(b"HTTP/1.1 ")[1:]
    assert [answer.partition(b"\r\n\r\n")[2] for answer in found] == [b"a", b"", b"", b"b", b"012"]


def test_chunks_are_whole_whatever_they_hold(port: int):
    found = _ask(port, _request("GET", "/chunks"))
    text = b"HTTP/1.1 200\r\ncontent-length: 9"
    assert found.endswith(b"1\r\n0\r\n1\r\n1\r\n1\r\n2\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(text), text))


def test_a_client_that_asks_is_told_to_go_on(port: int):
    head, body = _request("POST", "/echo", b"ok", "expect: 100-continue").split(b"ok")[0], b"ok"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(head)
        assert connection.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert connection.recv(65_536).endswith(b"\r\n\r\nok")


def test_a_response_that_breaks_off_ends_with_its_connection(port: int):
    assert _ask(port, _request("GET", "/breaks", closes=False)).startswith(b"HTTP/1.1 200 OK\r\n")


class _Transport:
    """Notes what is sent in one call."""

    def __init__(self) -> None:
        self.calls: list[bytes] = []

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.calls.append(data)

    def writelines(self, parts: tuple[bytes, ...]) -> None:
        self.calls.append(b"".join(parts))


def test_head_and_body_leave_in_one_call():
    transport = _Transport()
    writer = Writer(transport)  # type: ignore[arg-type]
    for _ in range(2):
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")
        assert not transport.calls[1:]
        writer.write(b"ab")
        writer.end()
    assert transport.calls == [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab"] * 2
