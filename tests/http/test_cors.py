"""Pages of other origins: who may call what, and what a preflight costs."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from app.core.config import Settings
from app.http.cors import Cors
from scripts.stack import ports
from tests.conftest import Stack, Tenant, wait_until

OURS, OTHER = "https://app.example.com", "https://evil.example.com"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


@pytest.fixture(scope="module")
def url(stack: Stack) -> Iterator[str]:
    """An api process that allows an origin."""
    port = ports.free_port()
    stack.start(
        "api-cors",
        "uvicorn",
        "app.main:app",
        "--port",
        str(port),
        "--http",
        "app.http.protocol_limits:GuardedProtocol",
        CORS_ORIGINS=f"{OURS}, http://localhost:3000",
    )
    made = f"http://127.0.0.1:{port}"
    wait_until(lambda: _is_up(made), "an api process")
    yield made
    stack.stop("api-cors")


def _is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.HTTPError:
        return False


def _about_cors(response: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name.startswith("access-control")}


def test_a_page_of_an_allowed_origin_may_call(url: str, acme: Tenant):
    headers = {"Authorization": f"Bearer {acme.api_key}", "Origin": OURS}
    for path, status in (
        ("/api/tasks", 200),
        ("/api/tasks/unknown", 404),
        ("/api/tasks?limit=x", 422),
        ("/api/no", 404),
    ):
        response = httpx.get(url + path, headers=headers)
        assert response.status_code == status
        assert response.headers["access-control-allow-origin"] == OURS
        assert "Origin" in response.headers["vary"]
        assert "access-control-allow-credentials" not in response.headers
        assert "x-request-id" in response.headers["access-control-expose-headers"].lower()


def test_an_answer_from_memory_has_the_headers_of_its_origin(url: str, acme: Tenant):
    task_id = acme.submit(task="echo", payload=1)
    acme.result(task_id)
    for origin, allowed in [(OURS, OURS), (OURS, OURS), (OTHER, None)]:
        headers = {"Authorization": f"Bearer {acme.api_key}", "Origin": origin}
        response = httpx.get(f"{url}/api/tasks/{task_id}/status", headers=headers)
        assert (response.status_code, response.headers.get("access-control-allow-origin")) == (200, allowed)
        assert "Origin" in response.headers["vary"]


@pytest.mark.parametrize("origin", [OTHER, OURS + ".evil.com", OURS + "/", OURS.upper(), "null", "", None])
def test_a_page_of_another_origin_may_not(url: str, acme: Tenant, origin: str | None):
    headers = {"Authorization": f"Bearer {acme.api_key}"} | ({} if origin is None else {"Origin": origin})
    response = httpx.get(f"{url}/api/tasks", headers=headers)
    assert response.status_code == 200
    assert _about_cors(response) == {}
    # A cache must not give this answer to a page that may call.
    assert "Origin" in response.headers["vary"]
    preflight = httpx.options(
        f"{url}/api/tasks/submit", headers=PREFLIGHT | ({} if origin is None else {"Origin": origin})
    )
    assert preflight.status_code == 405
    assert _about_cors(preflight) == {}


def test_a_preflight_needs_no_credentials(url: str):
    response = httpx.options(f"{url}/api/tasks/submit", headers=PREFLIGHT | {"Origin": "http://localhost:3000"})
    assert response.status_code == 204
    allowed = _about_cors(response)
    assert allowed["access-control-allow-origin"] == "http://localhost:3000"
    assert {"GET", "POST", "DELETE"} <= set(allowed["access-control-allow-methods"].split(", "))
    assert {"Authorization", "Last-Event-ID", "Idempotency-Key"} <= set(
        allowed["access-control-allow-headers"].split(", ")
    )
    assert "access-control-allow-credentials" not in allowed
    assert response.headers["x-request-id"]


@pytest.mark.parametrize(
    "path", ["/api/auth/login", "/api/auth/token", "/healthz", "/readyz", "/.well-known/jwks.json"]
)
def test_calls_with_passwords_and_calls_of_operators_are_closed_to_pages(url: str, path: str):
    for method in ("GET", "POST", "OPTIONS"):
        response = httpx.request(method, url + path, headers=PREFLIGHT | {"Origin": OURS})
        assert _about_cors(response) == {}, method


def test_without_the_setting_no_page_may_call(stack: Stack, acme: Tenant):
    response = acme.client.get("/api/tasks", headers={"Origin": OURS})
    assert _about_cors(response) == {}
    assert "vary" not in response.headers
    assert httpx.options(f"{stack.url}/api/tasks", headers=PREFLIGHT | {"Origin": OURS}).status_code == 405


async def test_a_preflight_reaches_no_other_layer():
    async def inner(*_: Any) -> None:
        raise AssertionError

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"origin", OURS.encode()), (b"access-control-request-method", b"GET")]
    scope = {"type": "http", "method": "OPTIONS", "path": "/api/tasks", "headers": headers}
    await Cors(inner, [OURS])(scope, None, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 204


@pytest.mark.parametrize(
    "text", ["*", "https://*.example.com", "https://a.example.com/", "a.example.com", "https://A.example.com", "null"]
)
def test_what_is_no_origin_is_refused_at_the_start(text: str):
    with pytest.raises(ValidationError, match="must be origins"):
        Settings(database_url="postgresql://a/b", redis_url="redis://a", cors_origins=text)  # type: ignore[arg-type]
