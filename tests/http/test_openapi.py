"""What is served from memory."""

import httpx
from starlette.applications import Starlette
from starlette.routing import Route

from app.http import openapi
from tests.conftest import Stack, Tenant


async def test_a_document_is_made_once_and_not_sent_to_who_has_it() -> None:
    made: list[int] = []

    def make() -> str:
        made.append(1)
        return '{"a": "é"}'

    app = Starlette(routes=[Route("/it", openapi.kept(make))])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        first, second = await client.get("/it"), await client.get("/it")
        assert (first.json(), second.content, len(made)) == ({"a": "é"}, first.content, 1)
        etag = first.headers["ETag"]
        for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            same = await client.get("/it", headers={"If-None-Match": known})
            assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", etag)
        assert (await client.get("/it", headers={"If-None-Match": '"other"'})).status_code == 200


def test_the_api_document_and_the_task_types_have_an_etag(stack: Stack, acme: Tenant) -> None:
    for path in ("/openapi.json", "/api/task-types"):
        first = acme.client.get(path)
        assert (first.status_code, first.headers["Cache-Control"]) == (200, "public, no-cache")
        again = acme.client.get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert "paths" in acme.client.get("/openapi.json").json()
