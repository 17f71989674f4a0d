"""Permissions, through a small app whose verifier knows one key."""

from collections.abc import AsyncIterator
from typing import get_args
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI, Request

from app.http import problem
from app.http.list_limit import ListLimit
from app.http.request_log import RequestLog
from app.identity import credentials, scopes
from app.identity.credentials import Credential
from app.identity.dependencies import (
    KeyManager,
    TaskReader,
    TaskWriter,
    UnratedCaller,
    UsageReader,
    WebhookManager,
    rated,
)
from app.identity.parts import IdentityParts
from app.identity.principal import Principal
from app.identity.verify import Verifier

KEY = "the-key"
CALLER = Principal(
    tenant_id=UUID(int=7),
    slug="acme",
    plan="pro",
    overrides={},
    status="active",
    scopes=frozenset({scopes.TASKS_READ}),
    key_id="abcdefghijkl",
)


class OneKey(Verifier):
    """Stands where the database would be asked."""

    def __init__(self) -> None:
        """Ask nothing."""

    async def check(self, credential: Credential) -> Principal:
        if credential.text != KEY:
            raise credentials.invalid()
        return CALLER


def _app() -> FastAPI:
    app = FastAPI()
    app.state.counted = []

    async def count(_request: Request, principal: Principal) -> None:
        app.state.counted.append(principal.slug)

    async def require_postgres() -> None:
        """Postgres is not asked."""

    IdentityParts(
        list_limit=ListLimit(1, require_postgres), cursor_key=b"", verifier=OneKey(), count_call=count
    ).attach(app)

    @app.get("/read")
    async def read(principal: TaskReader) -> str:
        return principal.slug

    @app.get("/write")
    async def write(principal: TaskWriter) -> str:
        return principal.slug

    @app.get("/unrated")
    async def unrated(principal: UnratedCaller) -> str:
        return principal.slug

    @app.get("/all")
    async def others(_a: WebhookManager, _b: KeyManager, _c: UsageReader) -> None:
        """Name the other three."""

    problem.install(app, away=())
    app.add_middleware(RequestLog)
    return app


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(_app()), base_url="http://test") as connected:
        yield connected


@pytest.mark.parametrize(
    "headers", [{"Authorization": f"Bearer {KEY}"}, {"authorization": f"bearer {KEY}"}, {"X-API-Key": KEY}]
)
async def test_a_key_is_taken_from_either_header(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    response = await client.get("/read", headers=headers)
    assert (response.status_code, response.json()) == (200, "acme")


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": ""}, {"Authorization": "Bearer"}, {"Authorization": f"Basic {KEY}"}, {"X-API-Key": ""}],
)
async def test_no_credentials_are_a_401_with_a_plain_challenge(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    response = await client.get("/read", headers=headers)
    assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")
    assert response.headers["www-authenticate"] == 'Bearer realm="task-queue"'


@pytest.mark.parametrize("headers", [{"Authorization": "Bearer wrong"}, {"X-API-Key": "\xe9"}])
async def test_wrong_credentials_are_a_401_that_says_so(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    response = await client.get("/read", headers=raw)
    assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")
    assert response.headers["www-authenticate"] == 'Bearer realm="task-queue", error="invalid_token"'


@pytest.mark.parametrize(
    "headers",
    [
        [("Authorization", f"Bearer {KEY}"), ("X-API-Key", KEY)],
        [("Authorization", f"Bearer {KEY}"), ("Authorization", f"Bearer {KEY}")],
        [("Authorization", "Basic x"), ("Authorization", f"Bearer {KEY}")],
        [("X-API-Key", KEY), ("X-API-Key", "other")],
    ],
)
async def test_credentials_sent_twice_are_a_400(client: httpx.AsyncClient, headers: list[tuple[str, str]]) -> None:
    response = await client.get("/read", headers=headers)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_request")
    assert KEY not in response.text


async def test_a_missing_scope_is_a_403_that_names_it(client: httpx.AsyncClient) -> None:
    response = await client.get("/write", headers={"X-API-Key": KEY})
    assert (response.status_code, response.json()["code"]) == (403, "insufficient_scope")
    assert (
        response.headers["www-authenticate"]
        == 'Bearer realm="task-queue", error="insufficient_scope", scope="tasks:write"'
    )


async def test_the_log_line_names_the_tenant(client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "app")
    await client.get("/write", headers={"X-API-Key": KEY})
    (line,) = [record for record in caplog.records if record.name == "app.http.request_log"]
    assert line.__dict__["tenant_id"] == str(CALLER.tenant_id)


def test_both_ways_are_documented_for_every_operation() -> None:
    document = _app().openapi()
    schemes = document["components"]["securitySchemes"]
    assert schemes["bearer"]["scheme"] == "bearer"
    assert schemes["apiKey"]["name"] == "X-API-Key"
    named = {next(iter(way)) for way in document["paths"]["/read"]["get"]["security"]}
    assert named == {"bearer", "apiKey"}


def test_there_are_nine_scopes_each_with_a_meaning() -> None:
    assert len(scopes.MEANINGS) == 9
    assert all(meaning.endswith(".") for meaning in scopes.MEANINGS.values())


async def test_a_permitted_call_counts_once_and_one_with_a_limit_of_its_own_never() -> None:
    app = _app()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        for path, status, counted in (("/read", 200, 1), ("/write", 403, 0), ("/unrated", 200, 0)):
            app.state.counted.clear()
            response = await client.get(path, headers={"X-API-Key": KEY})
            assert (path, response.status_code, len(app.state.counted)) == (path, status, counted)


@pytest.mark.parametrize("alias", [TaskReader, TaskWriter, WebhookManager, KeyManager, UsageReader])
def test_every_permission_with_a_scope_is_rated(alias: object) -> None:
    (security,) = get_args(alias)[1:]
    assert security.dependency is rated
    assert security.scopes
