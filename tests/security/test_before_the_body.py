"""What is decided of a request before its body is read: who calls, whether it may, and how often."""

import socket
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from tests.conftest import Stack, Tenant
from tests.quotas import conftest as of_quotas
from tests.tasks import test_operations as of_operations

Limited = Callable[..., Tenant]
limited = of_quotas.limited
routed = of_operations.routed

_JSON = {"Content-Type": "application/json"}
_LOGIN = "/api/auth/login"


@pytest.mark.parametrize("body", [b"{", b"NaN", b"\xff", b"x" * 300_000, b'{"task": "no.such"}'])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nobody"}, {"X-API-Key": "nobody"}])
def test_a_body_of_nobody_is_not_judged(stack: Stack, body: bytes, headers: dict[str, str]):
    headers |= {"Content-Type": "application/json"}
    for path in ("/api/tasks/submit", "/api/keys"):
        refused = httpx.post(f"{stack.url}{path}", content=body, headers=headers, trust_env=False)
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")


def test_two_credentials_are_one_too_many_whatever_the_method(acme: Tenant):
    for method in ("GET", "POST"):
        refused = acme.client.request(method, "/api/keys", headers={"X-API-Key": acme.api_key})
        assert refused.status_code == 400


def _answer_to_head(url: str, path: str, length: int, *headers: str, source: str = "127.0.0.1") -> str:
    """Send the head of a request and nothing of its body; return the status of the answer."""
    where = urlsplit(url)
    head = "\r\n".join([f"POST {path} HTTP/1.1", "Host: api", f"Content-Length: {length}", *headers, "", ""])
    with socket.create_connection((where.hostname or "", where.port or 0), 4, (source, 0)) as client:
        client.sendall(head.encode())
        return client.recv(100)[9:12].decode()


@pytest.fixture(params=["api", "routed"])
def url(request: pytest.FixtureRequest, stack: Stack) -> str:
    """Either way of answering the same calls."""
    return str(request.getfixturevalue("routed")) if request.param == "routed" else stack.url


@pytest.mark.parametrize("path", ["/api/tasks/submit", "/api/tasks/batch", "/api/keys", "/api/members"])
def test_a_call_above_the_rate_is_refused_before_its_body_is_read(
    limited: Limited,
    url: str,
    path: str,
):
    tenant = limited(requests_per_second=1, burst=1)
    sent = f"Authorization: Bearer {tenant.api_key}", "Content-Type: application/json"
    assert tenant.client.get("/api/tasks").status_code == 200
    assert _answer_to_head(url, path, 1_000, *sent) == "429"


def test_who_may_not_do_it_is_told_before_the_body_is_read(acme: Tenant, url: str):
    made = acme.client.post("/api/keys", json={"name": "reads", "scopes": ["tasks:read"]}).json()
    sent = f"Authorization: Bearer {made['api_key']}", "Content-Type: application/json"
    for path in ("/api/tasks/submit", "/api/tasks/batch", "/api/keys"):
        assert _answer_to_head(url, path, 1_000, *sent) == "403"


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, b'{"unknown": 1}', 422),
        ({}, b'{"task": "no.such"}', 422),
        ({}, b'{"payload": {"seconds": "x"}}', 422),
        ({}, b"{", 400),
        ({}, b"x" * 300_000, 413),
        ({"Content-Type": "text/plain"}, b"{}", 415),
        ({"Idempotency-Key": "x" * 300}, b"{}", 422),
    ],
)
def test_a_submit_counts_once_whatever_is_wrong_with_it(
    limited: Limited,
    url: str,
    headers: dict[str, str],
    body: bytes,
    status: int,
):
    tenant = limited(requests_per_second=1, burst=3)
    sent = _JSON | {"X-API-Key": tenant.api_key} | headers
    answers = [
        httpx.post(f"{url}/api/tasks/submit", content=body, headers=sent, trust_env=False).status_code for _ in range(4)
    ]
    assert answers == [status] * 3 + [429]


@pytest.fixture
def anybody(stack: Stack, source: str) -> Iterator[httpx.Client]:
    """A client without credentials, at an address of its own."""
    transport = httpx.HTTPTransport(local_address=source)
    with httpx.Client(base_url=stack.url, transport=transport, timeout=30) as client:
        yield client


@pytest.mark.parametrize(
    ("source", "headers", "body", "status"),
    [
        ("127.8.0.1", {}, b"{", 400),
        ("127.8.0.2", {}, b"x" * 4_097, 413),
        ("127.8.0.3", {"Content-Type": "text/plain"}, b"{}", 415),
        ("127.8.0.4", {}, b'{"email":"x"}', 422),
        ("127.8.0.5", {}, b"", 422),
    ],
)
def test_every_try_to_log_in_counts_whatever_it_says(
    anybody: httpx.Client, headers: dict[str, str], body: bytes, status: int
):
    answers = [anybody.post(_LOGIN, content=body, headers=_JSON | headers) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [status] * 10 + [429]
    assert (answers[10].json()["code"], answers[10].headers["Retry-After"]) == ("too_many_attempts", "60")


def test_a_try_to_log_in_is_counted_and_bounded_before_its_body_is_read(stack: Stack):
    sent = [_answer_to_head(stack.url, _LOGIN, 4_097, "Content-Type: application/json", source="127.8.1.1")] * 10
    assert sent == ["413"] * 10
    for _ in range(9):
        _answer_to_head(stack.url, _LOGIN, 4_097, source="127.8.1.1")
    assert _answer_to_head(stack.url, _LOGIN, 10, "Content-Type: application/json", source="127.8.1.1") == "429"


@pytest.mark.parametrize(("path", "source"), [("/api/auth/token", "127.8.2.1"), ("/api/auth/revoke", "127.8.2.2")])
def test_a_form_of_anybody_has_four_kibibytes_at_most(anybody: httpx.Client, path: str):
    answers = [anybody.post(path, data={"token": "x" * size}).status_code for size in (4_090, 4_091)]
    assert answers[0] != 413
    assert answers[1] == 413


def test_a_login_with_the_longest_password_fits(anybody_else: httpx.Client):
    body = b'{"email":"' + b"x" * 242 + b'@example.com","password":"' + b"\\ud83d\\ude00" * 256 + b'"}'
    assert anybody_else.post(_LOGIN, content=body, headers=_JSON).status_code == 401


@pytest.fixture
def anybody_else(stack: Stack) -> Iterator[httpx.Client]:
    """A client at one more address."""
    transport = httpx.HTTPTransport(local_address="127.8.3.1")
    with httpx.Client(base_url=stack.url, transport=transport, timeout=30) as client:
        yield client


def test_the_body_of_a_small_call_is_small(acme: Tenant):
    too_long = acme.client.post("/api/keys", content=b" " * 16_385, headers=_JSON)
    assert (too_long.status_code, too_long.json()["code"]) == (413, "payload_too_large")
    too_many = acme.client.post("/api/keys", content=b"[" + b",".join([b"{}"] * 600) + b"]", headers=_JSON)
    assert (too_many.status_code, too_many.json()["code"]) == (422, "invalid_request")


_MANY = b",".join(b'"x%d":1' % number for number in range(20_000))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/tasks/submit", b"{" + _MANY + b"}"),
        ("/api/tasks/submit", b'{"task": "long_task", "payload": {' + _MANY + b"}}"),
        ("/api/tasks/batch", b'{"tasks": [{}],' + _MANY + b"}"),
        ("/api/keys", b'{"name": "a",' + b",".join(_MANY.split(b",")[:50]) + b"}"),
    ],
)
def test_never_more_than_twenty_faults_are_described(acme: Tenant, url: str, path: str, body: bytes):
    sent = _JSON | {"X-API-Key": acme.api_key}
    refused = httpx.post(f"{url}{path}", content=body, headers=sent, trust_env=False, timeout=30)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
    assert [fault["detail"] for fault in refused.json()["errors"]] == ["It has more than 20 faults"]


def test_of_a_batch_too_no_more_faults_are_described(acme: Tenant, url: str):
    body = b'{"tasks": [{' + _MANY + b'}, {"task": "long_task", "payload": {' + _MANY + b"}}]}"
    sent = _JSON | {"X-API-Key": acme.api_key}
    answer = httpx.post(f"{url}/api/tasks/batch", content=body, headers=sent, trust_env=False, timeout=30)
    outcomes = answer.json()["outcomes"]
    assert [outcome["error"]["errors"] for outcome in outcomes] == [
        [{"pointer": "#/tasks/0", "detail": "It has more than 20 faults"}],
        [{"pointer": "#/tasks/1/payload", "detail": "It has more than 20 faults"}],
    ]
