"""An offer of another protocol is ignored: the request has one answer, and what follows its body is the next request."""

import json
import re
import socket
from collections.abc import Callable

import pytest

from tests.conftest import Stack, Tenant
from tests.security.test_raw_http import _connect, _exchange

OFFERS = {
    "h2c": ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk"],
    "h2c and close": ["Connection: close, Upgrade", "Upgrade: h2c"],
    "websocket": [
        "Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ],
    "in capitals, twice": ["CONNECTION: UPGRADE", "UPGRADE: H2C", "Upgrade: TLS/1.0", "Connection: HTTP2-Settings"],
}  # fmt: skip
SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
_ANSWER = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r]*\r\n((?:[^\r]+\r\n)*)\r\n")


def _head(path: str, length: int, *lines: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: a", f"Content-Length: {length}", *lines, "", ""]).encode()


def _answers(received: bytes) -> list[tuple[int, bytes]]:
    """Return status and body of each answer; what is left over fails."""
    found = []
    while received:
        head = _ANSWER.match(received)
        assert head, received[:200]
        length = re.search(rb"(?i)content-length: (\d+)", head[2])
        end = head.end() + int(length[1] if length else 0)
        found.append((int(head[1]), received[head.end() : end]))
        received = received[end:]
    return found


def _last() -> bytes:
    return b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


_CUTS: dict[str, Callable[[bytes, bytes], list[bytes]]] = {
    "in one": lambda head, body: [head + body],
    "head, then body": lambda head, body: [head, body],
    "in the middle of a name": lambda head, body: [head[: head.lower().index(b"upgrade") + 3], head[head.lower().index(b"upgrade") + 3 :] + body],
    "by bytes": lambda head, body: [bytes([byte]) for byte in head + body],
}  # fmt: skip


def _submit(tenant: Tenant) -> tuple[str, list[str], bytes, int]:
    body = b'{"task":"echo","payload":1}'
    return "/api/tasks/submit", ["Content-Type: application/json", f"Authorization: Bearer {tenant.api_key}"], body, 202


def _batch(tenant: Tenant) -> tuple[str, list[str], bytes, int]:
    path, headers, body, status = _submit(tenant)
    return path.replace("submit", "batch"), headers, b'{"tasks":[' + body + b"]}", status


def _login(_: Tenant) -> tuple[str, list[str], bytes, int]:
    body = b'{"email":"nobody@example.com","password":"no such password"}'
    return "/api/auth/login", ["Content-Type: application/json"], body, 401


def _token(tenant: Tenant) -> tuple[str, list[str], bytes, int]:
    form = f"grant_type=client_credentials&client_id={tenant.api_key.split('_')[2]}&client_secret={tenant.api_key}"
    return "/api/auth/token", ["Content-Type: application/x-www-form-urlencoded"], form.encode(), 200


@pytest.mark.parametrize("cut", _CUTS)
@pytest.mark.parametrize("make", [_submit, _batch, _token])
def test_a_body_behind_an_offer_of_http2_is_read(stack: Stack, acme: Tenant, make: Callable[..., tuple], cut: str):
    path, headers, body, status = make(acme)
    with _connect(stack) as connection:
        for piece in _CUTS[cut](_head(path, len(body), *OFFERS["h2c"], *headers), body):
            connection.sendall(piece)
        connection.sendall(_last())
        first, second = _answers(_all_of(connection))
    assert (first[0], second) == (status, (200, b'{"status":"ok"}'))


def test_a_login_behind_an_offer_of_http2_is_read(stack: Stack, acme: Tenant):
    path, headers, body, status = _login(acme)
    [first, second] = _answers(_exchange(stack, _head(path, len(body), *OFFERS["h2c"], *headers) + body + _last()))
    assert (first[0], second[0]) == (status, 200)


def _all_of(connection: socket.socket) -> bytes:
    received = b""
    while chunk := connection.recv(65_536):
        received += chunk
    return received


@pytest.mark.parametrize("offer", OFFERS)
def test_every_offer_is_ignored_and_the_connection_stays_in_step(stack: Stack, acme: Tenant, offer: str):
    path, headers, body, _ = _submit(acme)
    one = _head(path, len(body), *OFFERS[offer], *headers) + body
    answers = _answers(_exchange(stack, one * 3 + _last()))
    # What was told to close is closed after its answer.
    assert [status for status, _ in answers] == ([202] if "close" in offer else [202, 202, 202, 200])


def test_a_body_that_looks_like_a_request_is_none(stack: Stack, acme: Tenant):
    _, headers, _, _ = _submit(acme)
    for pieces in ([b""], [SMUGGLED], [SMUGGLED, SMUGGLED]):
        body = b"".join(pieces)
        head = _head("/api/tasks/submit", len(body), *OFFERS["h2c"], *headers)
        answers = _answers(_exchange(stack, head, *pieces, _last()))
        assert [status for status, _ in answers] == [400 if body else 422, 200]


def test_a_body_in_pieces_behind_an_offer_is_read(stack: Stack, acme: Tenant):
    path, headers, body, _ = _submit(acme)
    head = _head(path, 0, *OFFERS["h2c"], *headers).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    pieces = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    assert [status for status, _ in _answers(_exchange(stack, head + pieces + _last()))] == [202, 200]
    both = head.replace(b"Transfer-Encoding", b"Content-Length: 5\r\nTransfer-Encoding")
    assert [status for status, _ in _answers(_exchange(stack, both + pieces))] == [400]


def test_what_javas_client_sends_by_default_is_a_submit(stack: Stack, acme: Tenant):
    body = b'{"task":"echo","payload":{"from":"java"}}'
    head = (
        "POST /api/tasks/submit HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        f"Content-Length: {len(body)}\r\nHost: 127.0.0.1\r\n"
        "HTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAABgAGAAA\r\nUpgrade: h2c\r\n"
        f"User-Agent: Java-http-client/21.0.5\r\nAuthorization: Bearer {acme.api_key}\r\n"
        "Content-Type: application/json\r\n\r\n"
    )
    with _connect(stack) as connection:
        connection.sendall(head.encode())
        connection.sendall(body + _last())
        first, _ = _answers(_all_of(connection))
    assert acme.result(json.loads(first[1])["task_id"])["result"] == {"from": "java"}


def test_a_client_that_waits_for_100_continue_with_an_offer_is_told_to_go_on(stack: Stack, acme: Tenant):
    path, headers, body, _ = _submit(acme)
    with _connect(stack) as connection:
        connection.sendall(_head(path, len(body), "Expect: 100-continue", *OFFERS["h2c"], *headers))
        assert connection.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body + _last())
        assert [status for status, _ in _answers(_all_of(connection))] == [202, 200]


def test_an_offer_without_a_body_and_one_of_http_1_0_are_answered_plainly(stack: Stack):
    for version, closes in (("1.1", b""), ("1.0", b"")):
        lines = [f"GET /healthz HTTP/{version}", "Host: a", *OFFERS["websocket"], "", ""]
        received = _exchange(stack, "\r\n".join(lines).encode() + closes + (_last() if version == "1.1" else b""))
        assert [status for status, _ in _answers(received)] == [200] * (2 if version == "1.1" else 1)


def test_the_bounds_of_headers_hold_behind_an_offer(stack: Stack):
    lines = ["GET /healthz HTTP/1.1", *OFFERS["h2c"], "Connection: close"]
    assert _answers(_exchange(stack, "\r\n".join([*lines, "", ""]).encode()))[0][0] == 400  # no host
    many = [*lines, "Host: a", *[f"X-{number}: a" for number in range(70)], "", ""]
    assert _answers(_exchange(stack, "\r\n".join(many).encode()))[0][0] == 431


def test_a_tunnel_is_refused_and_the_connection_closed(stack: Stack):
    received = _exchange(stack, b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n" + SMUGGLED)
    assert [status for status, _ in _answers(received)] == [400]
