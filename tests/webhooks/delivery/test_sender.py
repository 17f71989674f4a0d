"""What is sent, to which addresses, and how little an endpoint can make of it."""

import asyncio
import ipaddress
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.outbound import resolver
from app.outbound.addresses import Address
from app.outbound.destinations import Destinations
from app.outbound.resolver import Resolver
from app.webhooks.delivery.sender import NO_ADDRESS, DeliveryResponse, Sender
from tests.conftest import wait_until
from tests.webhooks.receiver import Receiver, flood, hang, raw, status

TENANT = uuid.UUID(int=1)
LOOPBACK = (ip_network("127.0.0.0/8"),)
BODY = b'{"type":"task.succeeded"}'
OK_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"


def _sender(*addresses: str, allowed: Any = LOOPBACK, **options: Any) -> Sender:
    found = [ip_address(address) for address in addresses]
    return Sender(Destinations(allowed, frozenset()), resolver=Resolver(lambda _: found), **options)


async def _post(url: str, sender: Sender | None = None) -> DeliveryResponse:
    return await (sender or _sender(deadline=10)).post(TENANT, url, {"webhook-id": "msg_1"}, BODY)


async def test_a_request_is_the_body_and_headers_and_nothing_of_ours(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    (tmp_path / ".netrc").write_text("default login me password secret")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    receiver.on("/hook", status(204, {"Set-Cookie": "a=b"}))
    for _ in range(2):
        assert await _post(f"{receiver.url}/hook?token=t") == DeliveryResponse(204)
    for request in receiver.got("/hook"):
        assert request.body == BODY
        assert request.path == "/hook?token=t"
        assert request.headers == {
            "host": f"127.0.0.1:{receiver.port}", "content-type": "application/json", "accept": "*/*",
            "accept-encoding": "identity", "connection": "close", "content-length": str(len(BODY)),
            "user-agent": "TaskQueueWorker-Webhooks/1.0", "webhook-id": "msg_1",
        }  # fmt: skip


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_is_not_followed(receiver: Receiver, code: int):
    url = receiver.on("/old", status(code, {"Location": f"{receiver.url}/new"}))
    answer = await _post(url)
    assert answer.status == code
    assert answer.error is not None
    assert receiver.got("/new") == []


async def test_retry_after_is_handed_on(receiver: Receiver):
    answer = await _post(receiver.on("/busy", status(503, {"Retry-After": "7"})))
    assert (answer.status, answer.retry_after, answer.is_keeping_up) == (503, "7", False)


@pytest.mark.parametrize(("code", "keeps_up"), [(200, True), (500, True), (404, True), (429, False), (504, False)])
async def test_an_endpoint_that_says_it_has_too_much_to_do_does_not_keep_up(
    receiver: Receiver, code: int, keeps_up: bool
):
    assert (await _post(receiver.on("/", status(code)))).is_keeping_up is keeps_up


@pytest.mark.parametrize(
    "answer",
    [
        hang,
        raw(*[b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n"] * 500], pause=0.05),
        raw(*[b"HTTP/1.1 100 Continue\r\n\r\n"] * 500, pause=0.05),
    ],
    ids=["silence", "dripping headers", "1xx without end"],
)
async def test_no_answer_by_the_deadline_is_a_failure(receiver: Receiver, answer: Any):
    began = time.monotonic()
    answered = await _post(receiver.on("/", answer), _sender(deadline=0.5))
    assert answered == DeliveryResponse(None, "There was no answer within 0.5 s.")
    assert 0.5 <= time.monotonic() - began < 3


async def test_a_body_that_drips_is_cut_off_and_the_status_counts(receiver: Receiver):
    began = time.monotonic()
    url = receiver.on("/", raw(OK_HEAD, *[b"x"] * 500, pause=0.05))
    answered = await _post(url, _sender(deadline=1))
    assert (answered.status, answered.error) == (200, None)
    assert set(answered.body or "") == {"x"}
    assert time.monotonic() - began < 3


async def test_the_beginning_of_an_answer_is_kept_as_a_text_that_can_be_stored(receiver: Receiver):
    body = b"caf\xc3\xa9 \xff\0 end"
    head = b"HTTP/1.1 500 Oh\r\nContent-Length: %d\r\n\r\n" % len(body)
    answered = await _post(receiver.on("/", raw(head, body)))
    assert answered.body == "caf\u00e9 \ufffd\\0 end"
    empty = await _post(receiver.on("/empty", raw(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")))
    assert empty == DeliveryResponse(200)


async def test_a_large_head_is_read_however_it_comes(receiver: Receiver):
    pieces = b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000, b"\r\nContent-Length: 2\r\n\r\nok"
    whole = await _post(receiver.on("/whole", raw(b"".join(pieces))))
    assert await _post(receiver.on("/pieces", raw(*pieces, pause=0.05))) == whole == DeliveryResponse(200, body="ok")


async def test_a_shorter_deadline_ends_an_attempt(receiver: Receiver):
    url = receiver.on("/", hang)
    began = time.monotonic()
    answered = await _sender().post(uuid.uuid4(), url, {}, b"{}", deadline=0.3)
    assert answered == DeliveryResponse(None, "There was no answer within 0.3 s.")
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (raw(), "The answer was not HTTP, or it ended early."),
        (raw(b"SSH-2.0-OpenSSH\r\n"), "The answer was not HTTP, or it ended early."),
        (raw(b"HTTP/1.1 200 OK\r\nX: y\r\n"), "The answer was not HTTP, or it ended early."),
        (flood(b"", b"HTTP/1.1 102 Processing\r\n\r\n"), "The answer was not HTTP, or it ended early."),
        (flood(b"HTTP/1.1 200 OK\r\n", b"X-Header: y\r\n"), "The answer was not HTTP, or it ended early."),
    ],
    ids=["nothing", "not HTTP", "half", "1xx flood", "header flood"],
)
async def test_what_is_no_answer_is_a_failure(receiver: Receiver, answer: Any, error: str):
    assert await _post(receiver.on("/", answer)) == DeliveryResponse(None, error)


@pytest.mark.parametrize(
    "answer",
    [
        raw(OK_HEAD, bytes(10_000_000)),
        flood(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        flood(b"HTTP/1.1 200 OK\r\n\r\n", bytes(1_000)),
    ],
    ids=["10 MB", "chunks without end", "bytes without end"],
)
async def test_a_large_answer_is_cut_off_and_the_status_counts(receiver: Receiver, answer: Any):
    began = time.monotonic()
    answered = await _post(receiver.on("/", answer))
    assert (answered.status, answered.error) == (200, None)
    assert answered.body
    assert len(answered.body) <= 4_096
    assert time.monotonic() - began < 1.5


async def test_a_port_where_nobody_listens_is_refused(receiver: Receiver):
    receiver.close()
    assert await _post(f"{receiver.url}/") == DeliveryResponse(None, "The connection was refused.")


@pytest.mark.parametrize("path", ["http://127.0.0.1:{port}/", "http://localhost:{port}/", "https://127.0.0.1:{port}/"])
async def test_without_an_allowed_network_this_machine_is_not_touched(receiver: Receiver, path: str):
    answer = await _post(path.format(port=receiver.port), _sender(allowed=()))
    assert answer.status is None
    assert receiver.requests == []


@pytest.mark.parametrize(
    "addresses",
    [
        (), ("127.0.0.1",), ("93.184.216.34", "127.0.0.1"), ("2606:4700::1", "::1"), ("169.254.169.254",),
        ("::ffff:127.0.0.1",), ("10.0.0.1",), ("168.63.129.16",),
    ],
)  # fmt: skip
async def test_a_name_with_any_address_that_is_not_public_is_refused_like_an_unknown_one(addresses: tuple[str, ...]):
    answer = await _post("https://hooks.example.com/", _sender(*addresses, allowed=()))
    assert answer == DeliveryResponse(None, NO_ADDRESS)


async def test_a_name_that_resolves_slowly_is_refused_like_an_unknown_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(resolver, "_TIMEOUT", 0.1)
    never = threading.Event()

    def look_up(_: str) -> list[Address]:
        never.wait(5)
        return []

    answer = await _post(
        "https://hooks.example.com/", Sender(Destinations((), frozenset()), resolver=Resolver(look_up))
    )
    never.set()
    assert answer == DeliveryResponse(None, NO_ADDRESS)


async def test_plain_http_goes_to_an_allowed_network_only(receiver: Receiver):
    url = f"http://hooks.example.com:{receiver.port}/"
    assert await _post(url, _sender("93.184.216.34")) == DeliveryResponse(None, NO_ADDRESS)
    assert await _post(url, _sender("127.0.0.1", "93.184.216.34")) == DeliveryResponse(None, NO_ADDRESS)
    assert receiver.requests == []
    assert await _post(url, _sender("127.0.0.1")) == DeliveryResponse(204)
    assert receiver.requests[0].headers["host"] == f"hooks.example.com:{receiver.port}"


async def test_a_name_is_resolved_once_so_that_it_cannot_change_its_mind(receiver: Receiver):
    asked = list[str]()
    turns = iter([[ip_address("127.0.0.1")], [ip_address("10.0.0.1")]])

    def look_up(host: str) -> Any:
        asked.append(host)
        return next(turns)

    sender = Sender(Destinations(LOOPBACK, frozenset()), resolver=Resolver(look_up))
    assert await _post(f"http://hooks.example.com:{receiver.port}/", sender) == DeliveryResponse(204)
    assert asked == ["hooks.example.com"]


async def test_the_next_address_is_tried_when_the_first_refuses(receiver: Receiver):
    sender = _sender("127.0.0.99", "127.0.0.1")
    assert await _post(f"http://hooks.example.com:{receiver.port}/", sender) == DeliveryResponse(204)


async def test_localhost_is_what_the_operator_allows_of_it(receiver: Receiver):
    assert await _post(f"http://localhost:{receiver.port}/", _sender("10.0.0.1")) == DeliveryResponse(204)


@pytest.fixture
def authority(tmp_path: Path) -> Callable[[str], tuple[ssl.SSLContext, ssl.SSLContext, list[str]]]:
    """A maker of contexts, of a client and of a server with a certificate for a name, and of the names asked for."""

    def make(name: str) -> tuple[ssl.SSLContext, ssl.SSLContext, list[str]]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([_name(name)]), critical=False)
            .sign(key, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (tmp_path / "server.pem").write_bytes(pem + secret)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(tmp_path / "server.pem")
        asked: list[str] = []
        server.sni_callback = lambda _socket, wanted, _context: asked.append(wanted)
        return ssl.create_default_context(cadata=pem.decode()), server, asked

    return make


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@pytest.fixture
def receivers() -> Iterator[Callable[[ssl.SSLContext], Receiver]]:
    made: list[Receiver] = []

    def make(context: ssl.SSLContext) -> Receiver:
        made.append(Receiver(context))
        return made[-1]

    yield make
    for one in made:
        one.close()


async def test_tls_goes_by_the_name_though_the_connection_goes_to_a_number(authority: Any, receivers: Any):
    client, server, asked = authority("hooks.example.com")
    receiver = receivers(server)
    answer = await _post(f"https://hooks.example.com:{receiver.port}/", _sender("127.0.0.1", context=client))
    assert answer == DeliveryResponse(HTTPStatus.NO_CONTENT)
    assert asked == ["hooks.example.com"]


@pytest.mark.parametrize("certified", ["other.example.com", "127.0.0.1"])
async def test_a_certificate_for_another_name_is_refused(authority: Any, receivers: Any, certified: str):
    client, server, _ = authority(certified)
    receiver = receivers(server)
    answer = await _post(f"https://hooks.example.com:{receiver.port}/", _sender("127.0.0.1", context=client))
    assert answer.status is None
    assert answer.error is not None
    assert answer.error.startswith("The certificate is not valid for this host: ")
    assert receiver.requests == []


async def test_a_certificate_of_an_unknown_authority_is_refused(authority: Any, receivers: Any):
    _, server, _ = authority("hooks.example.com")
    answer = await _post(f"https://hooks.example.com:{receivers(server).port}/", _sender("127.0.0.1"))
    assert "certificate" in str(answer.error)


async def test_a_port_without_tls_is_a_failure(receiver: Receiver):
    answer = await _post(f"https://hooks.example.com:{receiver.port}/", _sender("127.0.0.1"))
    assert answer.error == "There was no TLS connection."


async def test_many_at_once_leave_no_connection_open(receiver: Receiver):
    sender, before = _sender(deadline=10), _open_files()
    answers = await asyncio.gather(*(_post(f"{receiver.url}/{number}", sender) for number in range(100)))
    assert answers == [DeliveryResponse(204)] * 100
    wait_until(lambda: _open_files() <= before + 1, "closed connections", 5)


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
