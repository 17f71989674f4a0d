"""Each option of a submit reaches the claim, the task's context and whoever reads the task, unchanged."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from app.db import Database
from app.tasks.run.attempts import AttemptEnd, Claim, Outcome
from app.tasks.run.end import end as end_attempts
from tests.claims import claim_for
from tests.conftest import Tenant, role_url

# Of the asyncio pool, of which no worker runs: nobody but the test claims it. Of the type: 2 attempts, 900 s.
_TYPE = "test.io.progress"
_TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
_URL = "http://127.0.0.1:9/hook"


@pytest.fixture
async def owner(environment: dict[str, str]) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    yield connection
    await connection.close()


@pytest.fixture
async def worker(environment: dict[str, str]) -> AsyncIterator[Database]:
    database = Database("tq_worker", size=1, url=role_url(environment, "tq_worker"))
    yield database
    await database.close()


@pytest.fixture(scope="module")
def tenant(make_tenant: Callable[..., Tenant]) -> Tenant:
    return make_tenant("with-options")


def _submit(tenant: Tenant, headers: dict[str, str], **options: Any) -> str:
    body = {"task": _TYPE, "payload": {"a": 1, "b": 2}} | options
    response = tenant.client.post("/api/tasks/submit", json=body, headers=headers)
    assert response.status_code == 202, response.text
    return str(response.json()["task_id"])


async def _claim(worker: Database, tenant: Tenant) -> Claim:
    """Claim the tenant's one task and end it, so that nobody looks for the worker that runs it."""
    [claim] = await claim_for(worker, uuid.UUID(tenant.tenant_id), pool="asyncio", worker_id=uuid.uuid4())
    success = Outcome("SUCCESS", "SUCCESS")
    ended = await end_attempts(worker, [AttemptEnd(claim, success, has_webhook=claim.has_webhook)])
    assert [end and end.status for end in ended] == ["SUCCESS"]
    return claim


_PLAIN = {
    "task": _TYPE, "payload": {"a": 1, "b": 2}, "attempt": 1, "failed_attempts": 0, "max_attempts": 2,
    "time_limit_seconds": 900.0, "timeout_seconds": None, "cancel_requested": False, "traceparent": None,
    "has_webhook": False, "has_more": False,
}  # fmt: skip

# What is submitted, and what the claim has instead of the plain values.
CLAIMED: dict[str, tuple[dict[str, Any], dict[str, str], dict[str, Any]]] = {
    "none": ({}, {}, {}),
    "task": ({"task": "test.io.meet"}, {}, {"task": "test.io.meet", "max_attempts": 3}),
    "payload": ({"payload": {"a": -7, "b": 2**40}}, {}, {"payload": {"a": -7, "b": 2**40}}),
    "max_attempts": ({"max_attempts": 1}, {}, {"max_attempts": 1}),
    "max_attempts beyond the type's": ({"max_attempts": 25}, {}, {}),
    "timeout_seconds": ({"timeout_seconds": 7.5}, {}, {"time_limit_seconds": 7.5, "timeout_seconds": 7.5}),
    "timeout_seconds beyond the type's": ({"timeout_seconds": 5000}, {}, {"timeout_seconds": 5000.0}),
    "webhook_url": ({"webhook_url": _URL}, {}, {"has_webhook": True}),
    "traceparent": ({}, {"traceparent": _TRACE}, {"traceparent": _TRACE}),
}


@pytest.mark.parametrize(("options", "headers", "changes"), CLAIMED.values(), ids=CLAIMED.keys())
async def test_an_option_reaches_the_claim(
    worker: Database, tenant: Tenant, options: dict[str, Any], headers: dict[str, str], changes: dict[str, Any]
):
    task_id = await asyncio.to_thread(_submit, tenant, headers, **options)
    claim = await _claim(worker, tenant)
    facts = {name: getattr(claim, name) for name in _PLAIN} | {"payload": json.loads(claim.payload)}
    assert (str(claim.tenant_id), str(claim.task_id), claim.plan) == (tenant.tenant_id, task_id, "enterprise")
    assert facts == _PLAIN | changes


async def test_every_option_is_stored_as_it_was_sent(tenant: Tenant, owner: "asyncpg.Connection[asyncpg.Record]"):
    scheduled_at = (datetime.now(UTC) + timedelta(days=30)).replace(microsecond=123456)
    options = {
        "priority": 7, "scheduled_at": scheduled_at.isoformat(), "expires_seconds": 3600.5, "max_attempts": 1,
        "timeout_seconds": 7.5, "tags": ["b", "ä", "a"], "webhook_url": _URL,
    }  # fmt: skip
    task_id = await asyncio.to_thread(_submit, tenant, {"traceparent": _TRACE}, **options)
    row = await owner.fetchrow(
        "SELECT k.*, b.priority AS b_priority, b.due_at AS b_due_at, b.expires_at AS b_expires_at, b.pool AS b_pool,"
        " b.is_scheduled FROM task k JOIN backlog b ON b.task_id = k.id WHERE k.id = $1",
        uuid.UUID(task_id),
    )
    assert row is not None
    assert (row["task"], row["pool"], json.loads(row["payload"])) == (_TYPE, "asyncio", {"a": 1, "b": 2})
    assert (row["priority"], row["max_attempts"], row["tags"]) == (7, 1, ["b", "ä", "a"])
    assert (row["time_limit_seconds"], row["timeout_seconds"]) == (7.5, 7.5)
    assert (row["webhook_url"], row["traceparent"], row["retry_of"]) == (_URL, _TRACE, None)
    assert (row["scheduled_at"], row["due_at"]) == (scheduled_at, scheduled_at)
    assert row["expires_at"] - row["created_at"] == timedelta(seconds=3600.5)
    # What is claimed by is what was asked for.
    assert (row["b_priority"], row["b_due_at"], row["b_expires_at"]) == (7, scheduled_at, row["expires_at"])
    assert (row["b_pool"], row["is_scheduled"]) == ("asyncio", True)
    assert tenant.client.post(f"/api/tasks/{task_id}/cancel").status_code == 200


async def test_a_delay_is_counted_from_the_acceptance(tenant: Tenant, owner: "asyncpg.Connection[asyncpg.Record]"):
    task_id = await asyncio.to_thread(_submit, tenant, {}, delay_seconds=1234.5)
    row = await owner.fetchrow("SELECT due_at, scheduled_at, created_at FROM task WHERE id = $1", uuid.UUID(task_id))
    assert row is not None
    assert row["due_at"] == row["scheduled_at"] == row["created_at"] + timedelta(seconds=1234.5)
    assert tenant.client.post(f"/api/tasks/{task_id}/cancel").status_code == 200


async def test_the_code_of_a_task_sees_its_attempt(acme: Tenant, owner: "asyncpg.Connection[asyncpg.Record]"):
    submit = {"task": "test.context", "max_attempts": 2, "timeout_seconds": 47.25}
    task_id = await asyncio.to_thread(lambda: acme.submit(**submit))
    seen = (await asyncio.to_thread(acme.result, task_id))["result"]
    deadline_at = await owner.fetchval(
        "SELECT deadline_at FROM attempt WHERE task_id = $1 AND attempt = 2", uuid.UUID(task_id)
    )
    assert datetime.fromisoformat(seen.pop("deadline")) == deadline_at
    assert seen == {
        "tenant_id": acme.tenant_id, "task_id": task_id, "attempt": 2, "idempotency_key": task_id,
        "cancel_requested": False,
    }  # fmt: skip
    started_at = await owner.fetchval(
        "SELECT started_at FROM attempt WHERE task_id = $1 AND attempt = 2", uuid.UUID(task_id)
    )
    # Its time limit, and a grace for what ends it.
    assert deadline_at - started_at == timedelta(seconds=47.25 + 5)
