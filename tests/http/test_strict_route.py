"""Bodies on their way in, through a small app."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Body, FastAPI, Request
from pydantic import BaseModel, ConfigDict

from app.http import problem
from app.http.strict_json import MAX_BODY_BYTES
from app.http.strict_route import StrictRoute

JSON = {"Content-Type": "application/json"}


class Order(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    seconds: int = 5
    payload: dict[str, Any] = {}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    router = APIRouter(route_class=StrictRoute)

    @router.post("/orders")
    async def order(body: Order, request: Request) -> dict[str, Any]:
        assert await request.json()
        return body.model_dump()

    @router.post("/optional")
    async def optional(body: Annotated[Order | None, Body()] = None) -> str:
        return "none" if body is None else "some"

    @router.get("/nothing")
    async def nothing() -> str:
        return "nothing"

    app = FastAPI()
    app.include_router(router)
    problem.install(app, away=())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as connected:
        yield connected


async def _code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


async def test_a_body_reaches_the_route(client: httpx.AsyncClient) -> None:
    response = await client.post("/orders", json={"seconds": 1, "payload": {"a": [1.5, None]}})
    assert response.json() == {"seconds": 1, "payload": {"a": [1.5, None]}}


@pytest.mark.parametrize("raw", [b'{"seconds": NaN}', b'{"seconds": 1, "seconds": 2}', b"{", b'"\\ud800"'])
async def test_a_malformed_body_is_a_400(client: httpx.AsyncClient, raw: bytes) -> None:
    assert await _code(await client.post("/orders", content=raw, headers=JSON)) == (400, "malformed_body")


@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b'"text"', b'{"tenant_id": 1}', b'{"seconds": "5"}'])
async def test_a_body_of_another_form_is_a_422(client: httpx.AsyncClient, raw: bytes) -> None:
    assert await _code(await client.post("/orders", content=raw, headers=JSON)) == (422, "invalid_request")


@pytest.mark.parametrize(
    "kind",
    [None, "text/plain", "application/jsonx", "application/problem+json", "application/json; charset=utf-16", "json"],
)
async def test_another_content_type_is_a_415(client: httpx.AsyncClient, kind: str | None) -> None:
    headers = {"Content-Type": kind} if kind else {}
    response = await client.post("/orders", content=b"{}", headers=headers)
    assert await _code(response) == (415, "unsupported_media_type")


async def test_two_content_types_are_a_415(client: httpx.AsyncClient) -> None:
    response = await client.post("/orders", content=b"{}", headers=[*JSON.items(), *JSON.items()])
    assert await _code(response) == (415, "unsupported_media_type")


@pytest.mark.parametrize("kind", ["application/json; charset=UTF-8", "Application/JSON"])
async def test_json_in_utf_8_is_taken_however_it_is_spelled(client: httpx.AsyncClient, kind: str) -> None:
    response = await client.post("/orders", content=b'{"seconds": 2}', headers={"Content-Type": kind})
    assert response.status_code == 200


@pytest.mark.parametrize("encoding", ["identity", "Identity", " identity"])
async def test_a_body_that_is_said_to_be_as_it_is_passes(client: httpx.AsyncClient, encoding: str) -> None:
    response = await client.post("/orders", json={"seconds": 1}, headers={"Content-Encoding": encoding})
    assert response.status_code == 200


async def test_an_encoding_in_a_second_header_counts(client: httpx.AsyncClient) -> None:
    headers = [*JSON.items(), ("Content-Encoding", "identity"), ("Content-Encoding", "gzip")]
    assert (await client.post("/orders", content=b"{}", headers=headers)).status_code == 415


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
async def test_an_encoded_body_is_a_415(client: httpx.AsyncClient, encoding: str) -> None:
    response = await client.post("/orders", content=b"{}", headers=JSON | {"Content-Encoding": encoding})
    assert await _code(response) == (415, "unsupported_media_type")


@pytest.mark.parametrize("length", [str(MAX_BODY_BYTES + 1), "10000000000", "9" * 5_000])
async def test_too_much_announced_is_a_413(client: httpx.AsyncClient, length: str) -> None:
    response = await client.post("/orders", content=b"{}", headers=JSON | {"Content-Length": length})
    assert await _code(response) == (413, "payload_too_large")


async def test_too_much_in_chunks_is_a_413_before_all_of_it_is_read(client: httpx.AsyncClient) -> None:
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1_000):
            sent += 1
            yield b" " * 10_000

    assert await _code(await client.post("/orders", content=chunks(), headers=JSON)) == (413, "payload_too_large")
    assert sent < 30


async def test_the_largest_body_is_taken(client: httpx.AsyncClient) -> None:
    raw = b'{"seconds": 2}'.ljust(MAX_BODY_BYTES)
    assert (await client.post("/orders", content=raw, headers=JSON)).status_code == 200


async def test_an_optional_body_may_be_left_out(client: httpx.AsyncClient) -> None:
    assert (await client.post("/optional")).json() == "none"
    assert (await client.post("/optional", json={})).json() == "some"


async def test_a_route_without_body_is_left_alone(client: httpx.AsyncClient) -> None:
    assert (await client.get("/nothing")).json() == "nothing"
