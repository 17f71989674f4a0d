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


def test_every_answer_names_the_version_of_the_api(stack: Stack, acme: Tenant) -> None:
    task_id = acme.client.post("/api/tasks/submit", json={"task": "echo", "payload": 1}).json()["task_id"]
    unknown = "019ab2c4-7c1e-7d3a-9b50-5f0c6b1f2a10"
    answers = [
        acme.client.get(f"/api/tasks/{task_id}/status"),
        acme.client.get(f"/api/tasks/{unknown}/status"),
        acme.client.get("/api/limits"),
        httpx.get(f"{stack.url}/api/limits"),
        httpx.get(f"{stack.url}/nothing"),
        httpx.get(f"{stack.url}/healthz"),
        # Refused by the server itself, before the application sees it.
        httpx.get(f"{stack.url}/{'a' * 9000}"),
    ]
    assert [(one.status_code, one.headers.get("API-Version")) for one in answers] == [
        (status, "1") for status in (200, 404, 200, 401, 404, 200, 414)
    ]
