"""What uvicorn writes, as the guarded protocol sends it: real sockets, and an app of every kind of response."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from app.http import whole_answer
from app.http.protocol_limits import GuardedProtocol
from app.http.response_writer import Writer

_LARGE = b"x" * 5_000_000
_WHOLE = {"/whole": b"whole", "/large": _LARGE, "/split": b"split"}


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    if (body := _WHOLE.get(scope["path"])) is not None:
        await _whole(scope, send, body)
    else:
        await _by_messages(scope["path"], receive, send)


async def _by_messages(path: str, receive: Receive, send: Send) -> None:
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


async def _whole(scope: Scope, send: Send, body: bytes) -> None:
    name, value = (b"x-split", b"a\r\nx-more: b") if body == b"split" else (b"x-name", b"value")
    headers = [(b"content-length", b"%d" % len(body)), (name, value)]
    write = whole_answer.of(scope)
    assert write is not None
    if not write(200, headers, body):
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


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


def test_a_whole_answer_keeps_its_place_among_others(port: int):
    paths = ["/whole", "/parts", "/whole", "/none", "/whole"]
    requests = [_request("GET", path, closes=False) for path in paths]
    found = _ask(port, *requests, _request("GET", "/whole")).split(b"HTTP/1.1 ")[1:]
    assert [answer.partition(b"\r\n\r\n")[2] for answer in found] == [
        b"whole",
        b"012",
        b"whole",
        b"",
        b"whole",
        b"whole",
    ]
    assert [b"connection: close" in answer for answer in found] == [False] * 5 + [True]
    assert found[0].startswith(b"200 OK\r\n")
    assert b"\r\nx-name: value\r\n" in found[0]
    assert b"\r\ndate: " in found[0]


def test_whole_answers_to_a_client_that_reads_late_arrive(port: int):
    requests = [_request("GET", "/large", closes=False)] * 3
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"".join([*requests, _request("GET", "/whole")]))
        time.sleep(0.3)
        found = b""
        while part := connection.recv(1_000_000):
            found += part
    bodies = [answer.partition(b"\r\n\r\n")[2] for answer in found.split(b"HTTP/1.1 ")[1:]]
    assert bodies == [_LARGE] * 3 + [b"whole"]


def test_a_header_cannot_begin_another_one(port: int):
    found = _ask(port, _request("GET", "/split"))
    assert found.startswith(b"HTTP/1.1 500 ")
    assert b"x-more" not in found


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
