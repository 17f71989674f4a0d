"""Bytes that are no good request: each is refused or cut off, and the next caller is served."""

import concurrent.futures
import json
import re
import select
import socket
import time
from urllib.parse import urlsplit

import pytest

from tests.conftest import Stack, Tenant, wait_until

OK = b"HTTP/1.1 200"


def _connect(stack: Stack) -> socket.socket:
    address = urlsplit(stack.url)
    connection = socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=20)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _exchange(stack: Stack, *pieces: bytes) -> bytes:
    """Send, and return what comes until the server closes; a server that keeps the connection open is told to."""
    with _connect(stack) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
            received = b""
            while chunk := connection.recv(65_536):
                received += chunk
        except (ConnectionResetError, BrokenPipeError):
            return b""
        return received


def _get(path: str = "/healthz", *headers: str, host: str | None = "a") -> bytes:
    lines = [f"GET {path} HTTP/1.1", *([f"Host: {host}"] if host else []), "Connection: close", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _post(tenant: Tenant, body: bytes, *headers: str, length: int | str | None = None) -> bytes:
    lines = [
        "POST /api/tasks/submit HTTP/1.1", "Host: a", "Connection: close", "Content-Type: application/json",
        f"Authorization: Bearer {tenant.api_key}", *headers,
    ]  # fmt: skip
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def _status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (_get("/" + "a" * 9_000), 414),
        (_get("/healthz", "X-Long: " + "a" * 17_000), 431),
        (_get("/healthz", *[f"X-{n}: a" for n in range(70)]), 431),
        (_get(host=None), 400),
        (_get("/healthz", "Host: b"), 400),
        (_get("/healthz", "Bad Header: a"), 400),
        (_get("/healthz", "X-Fold: a\r\n b"), 400),
        (_get("/healthz", "X : a"), 400),
        (_get("/healthz", "X-Nul: a\0b"), 400),
        (b"GET /healthz HTTP/1.1\nHost: a\n\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET /healthz HTTP/9.9\r\nHost: a\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (_get("/healthz", "Content-Length: 1", "Content-Length: 2"), 400),
        (_get("/healthz", "Content-Length: +5"), 400),
        (_get("/healthz", "Content-Length: 5", "Transfer-Encoding: chunked"), 400),
        (_get("/healthz", "Transfer-Encoding: xchunked"), 400),
        (_get("/healthz", "Transfer-Encoding: chunked, identity"), 400),
        (_get("/healthz", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), 400),
        (_get("/healthz", "Content-Length: 0", "Content-Length: 0"), 400),
        (_get("/healthz", "Content-Length: 0, 0"), 400),
        (_get("/healthz", "Transfer-Encoding: chunked").replace(b"HTTP/1.1", b"HTTP/1.0") + b"0\r\n\r\n", 400),
        (_get("/healthz").replace(b"HTTP/1.1", b"HTTP/2.0"), 400),
        (_get("/healthz").replace(b"HTTP/1.1", b"HTTP/0.9"), 400),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Bare: a\nX-Next: b\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Bare: a\rX-Next: b\r\n\r\n", 400),
    ],
)
def test_what_is_no_good_request_is_refused_and_the_connection_closed(stack: Stack, request_: bytes, status: int):
    answer = _exchange(stack, request_)
    assert _status(answer) == status
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    problem = json.loads(body)
    assert (problem["status"], bool(problem["detail"])) == (status, True)
    assert _exchange(stack, _get()).startswith(OK)


@pytest.mark.parametrize(
    "trailers",
    [["X-Long: " + "a" * 17_000], [f"X-{n}: a" for n in range(70)], ["Host: b", "X-Long: " + "a" * 17_000]],
    ids=["long", "many", "both"],
)
def test_what_follows_a_body_in_pieces_is_bounded_as_headers_are(stack: Stack, acme: Tenant, trailers: list[str]):
    pieces = b'1d\r\n{"task":"echo","payload":"a"}\r\n0\r\n'
    whole = _post(acme, pieces + b"X-Sum: a\r\n\r\n", "Transfer-Encoding: chunked")
    assert _status(_exchange(stack, whole)) == 202
    # The request is under way, so the connection is closed without an answer.
    assert (
        _exchange(stack, _post(acme, pieces + "\r\n".join([*trailers, "", ""]).encode(), "Transfer-Encoding: chunked"))
        == b""
    )


_WHOLE = b'1d\r\n{"task":"echo","payload":"a"}\r\n0\r\n'
_TRAILERS = {
    "Authorization": "Bearer nobody", "Content-Encoding": "gzip", "Content-Type": "text/plain", "Expect": "100-continue",
    "Host": "b", "Idempotency-Key": "in a trailer", "X-API-Key": "nobody", "X-Request-ID": "trailer",
    "traceparent": "none", "Upgrade": "h2c",
}  # fmt: skip


@pytest.mark.parametrize("name", _TRAILERS)
@pytest.mark.parametrize("is_split", [False, True], ids=["in one packet", "in two"])
def test_what_follows_a_body_never_becomes_a_header(stack: Stack, acme: Tenant, name: str, is_split: bool):
    head = _post(acme, b"", "Transfer-Encoding: chunked").replace(b"Connection: close\r\n", b"")
    one = [head + _WHOLE, f"{name}: {_TRAILERS[name]}\r\n\r\n".encode()]
    # Twice: with a key of idempotency the second would be a replay. And the connection is still in step.
    received = _exchange(stack, *(one * 2 if is_split else [b"".join(one * 2)]), _get())
    assert re.findall(rb"HTTP/1.1 (\d+)", received) == [b"202", b"202", b"200"]
    assert b"x-request-id: trailer" not in received


@pytest.mark.parametrize(
    "trailer",
    [b"Content-Length: 40", b"Transfer-Encoding: gzip", b"connection: Close", b"Upgrade: a\r\nConnection: upgrade"],
)
def test_what_follows_a_body_cannot_say_where_the_request_ends(stack: Stack, acme: Tenant, trailer: bytes):
    head = _post(acme, b"", "Transfer-Encoding: chunked").replace(b"Connection: close\r\n", b"")
    received = _exchange(stack, head + _WHOLE + trailer + b"\r\n\r\n" + _get())
    assert re.findall(rb"HTTP/1.1 (\d+)", received) in ([], [b"400"], [b"202"])


@pytest.mark.parametrize("is_split", [False, True], ids=["in one packet", "in two"])
def test_credentials_behind_a_body_are_none(stack: Stack, acme: Tenant, is_split: bool):
    head = _post(acme, b"", "Transfer-Encoding: chunked")
    credential = next(line for line in head.split(b"\r\n") if line.startswith(b"Authorization"))
    one = [head.replace(credential + b"\r\n", b"") + _WHOLE, credential + b"\r\n\r\n"]
    assert _status(_exchange(stack, *(one if is_split else [b"".join(one)]))) == 401


@pytest.mark.parametrize(
    "pieces",
    [b"0x2\r\n{}\r\n0\r\n\r\n", b"+2\r\n{}\r\n0\r\n\r\n", b"2\n{}\n0\n\n", b"2\r\n{}0\r\n\r\n", b"2;a\nb\r\n{}\r\n0\r\n\r\n",
     b"-2\r\n{}\r\n0\r\n\r\n", b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n", b"2 \r\n{}\r\n0\r\n\r\n"],
)  # fmt: skip
def test_a_body_in_pieces_that_could_be_read_in_two_ways_makes_no_task(stack: Stack, acme: Tenant, pieces: bytes):
    # The request is under way when its body turns out to be wrong, so the connection is closed without an answer.
    assert _status(_exchange(stack, _post(acme, pieces, "Transfer-Encoding: chunked") + _get())) in {0, 400}


def test_a_header_that_never_ends_is_cut_off(stack: Stack):
    # What is still on its way when the connection is closed resets it: the answer may be lost.
    endless = b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Endless: "
    for request_ in ([endless, *[b"a" * 10_000] * 30], [_get("/healthz", *[f"X-{n}: a" for n in range(20_000)])]):
        assert _status(_exchange(stack, *request_)) in {0, 431}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("//healthz", 404),
        ("/healthz/", 404),
        ("/..%2fhealthz", 404),
        ("/%2e%2e/healthz", 404),
        ("http://evil/healthz", 200),
    ],
)
def test_a_path_has_one_spelling_and_nothing_is_redirected(stack: Stack, path: str, status: int):
    answer = _exchange(stack, _get(path))
    assert _status(answer) == status
    assert b"evil" not in answer


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PUT", "DELETE"])
def test_a_method_that_is_not_taken_is_refused(stack: Stack, method: str):
    target = "a:80" if method == "CONNECT" else "/api/tasks/submit"
    answer = _exchange(stack, f"{method} {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    assert _status(answer) in {400, 404, 405}


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Tenant-ID", "X-Forwarded-User", "X-HTTP-Method-Override"])
def test_a_header_that_claims_to_be_somebody_is_ignored(stack: Stack, acme: Tenant, name: str):
    answer = _exchange(stack, _get("/api/tasks?limit=1", f"Authorization: Bearer {acme.api_key}", f"{name}: DELETE"))
    assert answer.startswith(OK)


def _seconds_open(stack: Stack, pieces: list[bytes]) -> float:
    began = time.monotonic()
    _exchange(stack, *pieces)
    return time.monotonic() - began


def test_half_a_head_is_closed_after_5_seconds_and_half_a_body_after_10(stack: Stack, acme: Tenant):
    halves = {
        "nothing": [],
        "half a head": [b"GET /healthz HTTP/1.1\r\nHost: a\r\n"],
        "one byte": [b"G"],
        "half of a second head": [_get().replace(b"Connection: close\r\n", b""), b"GET /heal"],
        "half a body": [_post(acme, b'{"task": ', length=100)],
        "half a chunk": [_post(acme, b"8000\r\n{", "Transfer-Encoding: chunked")],
    }
    with concurrent.futures.ThreadPoolExecutor(len(halves)) as pool:
        seconds = dict(zip(halves, pool.map(lambda pieces: _seconds_open(stack, pieces), halves.values()), strict=True))
    assert all(3 < seconds.pop(name) < 9 for name in list(seconds)[:4])
    assert all(8 < open_for < 14 for open_for in seconds.values())


def test_an_idle_connection_outlives_the_deadline_of_a_head_and_is_used_again(stack: Stack):
    keep = _get().replace(b"Connection: close\r\n", b"")
    with _connect(stack) as connection:
        connection.sendall(keep)
        assert connection.recv(65_536).startswith(OK)
        # Nothing comes, and no end either, for longer than uvicorn's default and the deadline of a head.
        assert not select.select([connection], [], [], 6)[0]
        connection.sendall(_get())
        assert connection.recv(65_536).startswith(OK)


def test_a_head_that_drips_is_closed_after_5_seconds(stack: Stack):
    began = time.monotonic()
    with _connect(stack) as connection, pytest.raises(OSError):
        for byte in _get("/healthz", "X-Slow: " + "a" * 500):
            connection.sendall(bytes([byte]))
            connection.settimeout(0.1)
            try:
                if not connection.recv(1_000):
                    raise ConnectionResetError
            except TimeoutError:
                continue
    assert time.monotonic() - began < 9


@pytest.mark.parametrize(
    ("length", "headers", "body"),
    [
        (300_000, (), b"x" * 300_000),
        (10_000_000_000, (), b""),
        (None, ("Transfer-Encoding: chunked",), b"".join([b"8000\r\n" + b"x" * 0x8000 + b"\r\n"] * 10) + b"0\r\n\r\n"),
    ],
)
def test_a_body_that_is_too_large_is_refused_announced_or_not(
    stack: Stack, acme: Tenant, length: int | None, headers: tuple[str, ...], body: bytes
):
    assert _status(_exchange(stack, _post(acme, body, *headers, length=length))) in {413, 0}
    assert _exchange(stack, _get()).startswith(OK)


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "identity, gzip"])
def test_an_encoded_body_is_refused(stack: Stack, acme: Tenant, encoding: str):
    assert _status(_exchange(stack, _post(acme, b"{}", f"Content-Encoding: {encoding}", length=2))) == 415


def test_pipelined_requests_are_all_answered(stack: Stack, acme: Tenant):
    one = _get("/api/tasks?limit=1", f"Authorization: Bearer {acme.api_key}").replace(b"Connection: close\r\n", b"")
    last = _get("/healthz")
    answer = _exchange(stack, one * 50 + last)
    assert answer.count(b"HTTP/1.1 200") == 51


def test_hundreds_of_connections_that_say_nothing_keep_nobody_out(stack: Stack):
    silent = [_connect(stack) for _ in range(400)]
    try:
        assert _exchange(stack, _get()).startswith(OK)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            assert all(answer.startswith(OK) for answer in pool.map(lambda _: _exchange(stack, _get()), range(50)))
        closed: set[int] = set()

        def are_closed() -> bool:
            for connection in silent:
                if connection.fileno() not in closed:
                    connection.settimeout(0)
                    try:
                        if connection.recv(4_096):
                            closed.add(connection.fileno())
                    except BlockingIOError:
                        return False
                    except OSError:
                        closed.add(connection.fileno())
            return True

        wait_until(are_closed, "the end of the silent ones", seconds=12)
    finally:
        for connection in silent:
            connection.close()
