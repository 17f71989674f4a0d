"""One Idempotency-Key over several api processes, and over one that ends in the middle: one task."""

import asyncio
import uuid
from collections.abc import Callable, Iterator

import asyncpg
import httpx
import pytest

from scripts.stack import ports
from tests.conftest import Stack, Tenant, wait_until

Start = Callable[..., str]


@pytest.fixture
def start_api(stack: Stack) -> Iterator[Start]:
    """Return a starter of further api processes; each returns its URL."""
    names: list[str] = []

    def start(**extra: str) -> str:
        name, port = f"api-{uuid.uuid4().hex[:6]}", ports.free_port()
        stack.start(name, "uvicorn", "app.main:app", "--port", str(port), "--no-access-log", **extra)
        names.append(name)
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _is_ready(url), "an api")
        return url

    yield start
    for name in names:
        stack.stop(name)


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


async def _count(stack: Stack, tenant: Tenant) -> tuple[int, int, int]:
    """Return the tenant's tasks, and what the ledger has of them."""
    owner = await asyncpg.connect(stack.environment["DATABASE_URL"])
    try:
        row = await owner.fetchrow(
            "SELECT (SELECT count(*) FROM task WHERE tenant_id = $1),"
            " (SELECT coalesce(sum(day_used), 0) FROM tenant_admitted WHERE tenant_id = $1)::integer,"
            " (SELECT coalesce(sum(tasks), 0) FROM usage_by_task WHERE tenant_id = $1)::integer",
            uuid.UUID(tenant.tenant_id),
        )
        return tuple(row)  # type: ignore[return-value]
    finally:
        await owner.close()


TASK = {"task": "echo", "delay_seconds": 600}
BATCH = {"tasks": [*[TASK] * 30, {"task": "no.such"}]}


async def _submit(client: httpx.AsyncClient, tenant: Tenant, url: str, *, is_batch: bool = False) -> httpx.Response:
    return await client.post(
        f"{url}/api/tasks/{'batch' if is_batch else 'submit'}",
        json=BATCH if is_batch else TASK,
        headers={"Authorization": f"Bearer {tenant.api_key}", "Idempotency-Key": "one"},
    )


async def test_of_fifty_requests_at_once_over_three_processes_one_makes_the_task(
    stack: Stack, start_api: Start, make_tenant: Callable[..., Tenant]
):
    # Replays count against the rate, of which this plan has no end.
    tenant = make_tenant("fifty", plan="enterprise")
    urls = [stack.url, start_api(), start_api()]
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        # Each process knows the key: all ask for the task at once.
        for url in urls:
            await client.get(f"{url}/api/task-types", headers={"Authorization": f"Bearer {tenant.api_key}"})
        answers = await asyncio.gather(*(_submit(client, tenant, urls[number % 3]) for number in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] * 49 + [202]
    assert len({answer.json()["task_id"] for answer in answers}) == 1
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 49
    assert await _count(stack, tenant) == (1, 1, 1)


@pytest.mark.parametrize(("point", "status"), [("group_commit.before_commit", 202), ("group_commit.after_commit", 200)])
async def test_a_submit_whose_process_ends_in_its_commit_is_sent_again_and_is_one_task(
    stack: Stack, start_api: Start, make_tenant: Callable[..., Tenant], point: str, status: int
):
    tenant = make_tenant(point.replace(".", "-").replace("_", "-"), plan="free")
    ending = start_api(FAILPOINT=point)
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        with pytest.raises(httpx.HTTPError):
            await _submit(client, tenant, ending)
        again, third = [await _submit(client, tenant, stack.url) for _ in range(2)]
    assert (again.status_code, third.status_code) == (status, 200)
    assert again.json()["task_id"] == third.json()["task_id"]
    assert await _count(stack, tenant) == (1, 1, 1)


async def test_of_fifty_batches_at_once_over_three_processes_one_makes_the_tasks(
    stack: Stack, start_api: Start, make_tenant: Callable[..., Tenant]
):
    tenant = make_tenant("fifty-batches", plan="pro")
    urls = [stack.url, start_api(), start_api()]
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        for url in urls:
            await client.get(f"{url}/api/task-types", headers={"Authorization": f"Bearer {tenant.api_key}"})
        answers = await asyncio.gather(
            *(_submit(client, tenant, urls[number % 3], is_batch=True) for number in range(50))
        )
    assert sorted(answer.status_code for answer in answers) == [200] * 49 + [202]
    assert len({answer.content for answer in answers}) == 1
    assert await _count(stack, tenant) == (30, 30, 30)


@pytest.mark.parametrize(("point", "status"), [("group_commit.before_commit", 202), ("group_commit.after_commit", 200)])
async def test_a_batch_whose_process_ends_in_its_commit_is_sent_again_and_is_one_batch(
    stack: Stack, start_api: Start, make_tenant: Callable[..., Tenant], point: str, status: int
):
    tenant = make_tenant("batch-" + point.replace(".", "-").replace("_", "-"), plan="pro")
    ending = start_api(FAILPOINT=point)
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        with pytest.raises(httpx.HTTPError):
            await _submit(client, tenant, ending, is_batch=True)
        again, third = [await _submit(client, tenant, stack.url, is_batch=True) for _ in range(2)]
    assert (again.status_code, third.status_code) == (status, 200)
    assert again.content == third.content
    assert ["task_id" in outcome for outcome in again.json()["outcomes"]] == [True] * 30 + [False]
    assert await _count(stack, tenant) == (30, 30, 30)
