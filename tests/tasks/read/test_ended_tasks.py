"""What an api process remembers of ended tasks: within its bounds, for its tenant, and never for long."""

import asyncio
import json
import socket
import time
import uuid
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit

import asyncpg
import pytest

from app.core import ids
from app.db import timelines
from app.tasks.read.ended_tasks import EndedTasks
from tests.conftest import Stack, Tenant, wait_until

DAY = 86_400
ANN, BEN = uuid.uuid4(), uuid.uuid4()


@pytest.fixture
async def ended() -> AsyncIterator[EndedTasks]:
    made = EndedTasks(100_000)
    yield made
    made.clear()


async def test_a_text_is_for_its_tenant_its_task_and_its_call(ended: EndedTasks):
    task_id = ids.new_id()
    ended.keep("status", ANN, task_id, b"one")
    assert ended.find("status", ANN, uuid.UUID(str(task_id)), 7) == b"one"
    assert ended.find("result", ANN, task_id, 7) is None
    assert ended.find("status", BEN, task_id, 7) is None
    assert ended.find("status", ANN, ids.new_id(), 7) is None


async def test_a_text_is_never_used_after_the_retention_of_its_task(ended: EndedTasks):
    old = ids.first_id_at(time.time() - 7.5 * DAY)
    ended.keep("result", ANN, old, b"old")
    assert ended.find("result", ANN, old, 8) == b"old"
    # As soon as the tenant's limit is lower.
    assert ended.find("result", ANN, old, 7) is None


async def test_a_text_is_forgotten_after_its_time_though_nobody_asks():
    ended = EndedTasks(100_000, max_age=0.05)
    first, second = ids.new_id(), ids.new_id()
    ended.keep("status", ANN, first, b"one")
    ended.keep("status", ANN, second, b"two")
    async with asyncio.timeout(10):
        while ended.size:  # noqa: ASYNC110 no event tells of it
            await asyncio.sleep(0.01)
    assert ended.find("status", ANN, first, 7) is None
    ended.keep("status", ANN, first, b"three")
    assert ended.find("status", ANN, first, 7) == b"three"
    ended.clear()


async def test_the_oldest_texts_make_room_and_a_large_one_is_not_kept(ended: EndedTasks):
    kept = [ids.new_id() for _ in range(1_000)]
    for number, task_id in enumerate(kept):
        ended.keep("result", ANN, task_id, b"%d" % number)
        assert ended.size <= 100_000
    found = [ended.find("result", ANN, task_id, 7) is not None for task_id in kept]
    assert found[-1]
    assert found == sorted(found)
    ended.keep("result", BEN, kept[0], b"x" * 2_000)
    assert ended.find("result", BEN, kept[0], 7) is None
    nothing = EndedTasks(0)
    nothing.keep("result", ANN, kept[0], b"")
    assert nothing.size == 0


async def test_a_text_that_is_kept_again_counts_once(ended: EndedTasks):
    task_id = ids.new_id()
    sizes = []
    for _ in range(3):
        ended.keep("result", ANN, task_id, b"x" * 100)
        sizes.append(ended.size)
    assert sizes == [sizes[0]] * 3


async def test_nothing_of_an_old_primary_is_used_once_a_newer_one_is_known(ended: EndedTasks):
    task_id, system = ids.new_id(), uuid.uuid4().int >> 66
    timelines.known().see(system, 1)
    ended.keep("result", ANN, task_id, b"old")
    timelines.known().see(system, 2)
    assert ended.find("result", ANN, task_id, 7) is None
    ended.keep("status", ANN, task_id, b"new")
    assert (ended.find("status", ANN, task_id, 7), ended.find("result", ANN, task_id, 7)) == (b"new", None)


async def _delete(url: str, task_id: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for table, column in [("result", "task_id"), ("attempt", "task_id"), ("task", "id")]:
            await connection.execute(f"DELETE FROM {table} WHERE {column} = $1", uuid.UUID(task_id))
    finally:
        await connection.close()


async def test_what_was_read_is_answered_from_memory_to_its_own_tenant_only(
    environment: dict[str, str], acme: Tenant, globex: Tenant
):
    task_id = acme.submit(task="echo", payload={"n": 1})
    outcome = acme.result(task_id)
    paths = [f"/api/tasks/{task_id}/{what}" for what in ("status", "result", "result?wait=5")]
    before = [acme.client.get(path) for path in paths]
    await _delete(environment["DATABASE_URL"], task_id)
    after = [acme.client.get(path) for path in paths]
    assert [answer.content for answer in after] == [answer.content for answer in before]
    assert after[1].json() == outcome
    assert {answer.headers["content-type"] for answer in after} == {"application/json"}
    assert len({answer.headers["x-request-id"] for answer in (*before, *after)}) == 6
    assert {answer.headers["api-version"] for answer in after} == {"1"}
    assert [globex.client.get(path).status_code for path in paths] == [404] * 3
    # What was not read before is not there.
    assert acme.client.get(f"/api/tasks/{task_id}").status_code == 404


def test_what_is_remembered_asks_for_credentials_scope_and_rate_as_everything(
    acme: Tenant, make_tenant: Callable[..., Tenant], admin: Callable[..., object]
):
    task_id = acme.submit(task="echo", payload=1)
    acme.result(task_id)
    path = f"/api/tasks/{task_id}/result"
    assert acme.client.get(path).status_code == 200
    assert acme.client.get(path, headers={"Authorization": "Bearer tq_live_nobody"}).status_code == 401
    assert acme.client.get(f"{path}?wait=31").status_code == 422
    assert acme.client.get(f"{path}?other=1").status_code == 422
    writer = acme.client.post("/api/keys", json={"name": "w", "scopes": ["tasks:write"]}).json()["api_key"]
    assert acme.client.get(path, headers={"Authorization": f"Bearer {writer}"}).status_code == 403
    free = make_tenant("ended-free", plan="free")
    own = free.submit(task="echo", payload=1)
    free.result(own)
    answers = [free.client.get(f"/api/tasks/{own}/status") for _ in range(30)]
    assert 429 in {answer.status_code for answer in answers}
    assert all("RateLimit" in answer.headers for answer in answers)


def test_a_task_that_was_erased_is_forgotten_at_once_where_it_was_erased(acme: Tenant):
    task_id = acme.submit(task="echo", payload={"n": 1})
    acme.result(task_id)
    paths = [f"/api/tasks/{task_id}/{what}" for what in ("result", "status")]
    assert [acme.client.get(path).status_code for path in paths] == [200, 200]
    assert acme.client.delete(f"/api/tasks/{task_id}").status_code == 200
    result, status = (acme.client.get(path) for path in paths)
    assert (result.status_code, status.json()["erased_at"] is None) == (410, False)


def test_a_suspended_tenant_is_not_answered_from_memory(
    make_tenant: Callable[..., Tenant], admin: Callable[..., object]
):
    tenant = make_tenant("ended-suspended")
    task_id = tenant.submit(task="echo", payload=1)
    tenant.result(task_id)
    path = f"/api/tasks/{task_id}/result"
    assert tenant.client.get(path).status_code == 200
    admin("tenant", "suspend", tenant.slug)
    wait_until(lambda: tenant.client.get(path).status_code == 403, "the suspension", seconds=5)


def test_requests_in_one_packet_are_answered_in_their_order(stack: Stack, acme: Tenant):
    url = urlsplit(stack.url)
    ended, waiting = acme.submit(task="echo", payload=1), acme.submit(task="echo", delay_seconds=3600)
    acme.result(ended)

    def get(path: str, more: str = "") -> str:
        return f"GET {path} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {acme.api_key}\r\n{more}\r\n"

    paths = [f"/api/tasks/{ended}/result", f"/api/tasks/{waiting}/status", f"/api/tasks/{ended}/result"]
    with socket.create_connection((url.hostname or "", url.port or 0)) as client:
        client.sendall("".join([*map(get, paths), get(paths[0], "Connection: close\r\n")]).encode())
        received = b""
        while more := client.recv(65_536):
            received += more
    heads = received.count(b"HTTP/1.1 200 OK\r\n")
    bodies = [json.loads(part[: part.index(b"}") + 1]) for part in received.split(b"\r\n\r\n")[1:]]
    assert (heads, [body["task_id"] for body in bodies]) == (4, [ended, waiting, ended, ended])
    assert received.count(b"connection: close") == 1
