"""The event of a task's end: its body, and the delivery that carries it."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from app.webhooks import events, schemas
from tests.conftest import role_url
from tests.webhooks.conftest import Customer, Rows, ended

TENANT = UUID(int=1)
URL = "https://hooks.example.com/a?token=t"
ERROR = {"type": "ValueError", "message": "no", "attempt": 3}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@pytest.mark.parametrize(
    ("status", "outcome", "type_", "carried"),
    [
        ("SUCCESS", {"result": "[1,null]"}, "task.succeeded", {"result": [1, None]}),
        ("SUCCESS", {"result": None}, "task.succeeded", {"result": None}),
        ("FAILURE", {"result": None, "error": ERROR}, "task.failed", {"error": ERROR}),
        ("REVOKED", {"result": None, "error": None}, "task.revoked", {"error": None}),
        ("REVOKED", {"result": None, "error": ERROR}, "task.revoked", {"error": ERROR}),
    ],
)
def test_a_body_says_how_the_task_ended(status: str, outcome: dict[str, Any], type_: str, carried: dict[str, Any]):
    end = ended(TENANT, URL, status=status, finished_at=datetime(2026, 1, 31, 12, 0, 0, 5, UTC), **outcome)
    assert json.loads(events.body(end)) == {
        "type": type_,
        "timestamp": "2026-01-31T12:00:00.000005Z",
        "data": {
            "task_id": str(end.task_id), "task": "echo", "status": status, **carried, "attempt_count": 1,
            "tags": ["a", "ü"],
        },
    }  # fmt: skip
    TypeAdapter(schemas.TaskEvent).validate_json(events.body(end))


def test_a_timestamp_is_in_utc():
    moment = datetime(2026, 1, 31, 1, tzinfo=timezone(timedelta(hours=5)))
    assert json.loads(events.body(ended(TENANT, URL, finished_at=moment)))["timestamp"] == "2026-01-30T20:00:00Z"


@given(JSON)
def test_any_result_comes_back_as_it_was(result: Any):
    stored = json.dumps(result, ensure_ascii=False)
    body = events.body(ended(TENANT, URL, result=stored))
    assert json.loads(body)["data"]["result"] == result
    # Handed through, not read and written again.
    assert f'"result":{stored}' in body


def test_without_a_webhook_url_nothing_is_written(rows: Rows, customer: Customer):
    rows.emit(ended(customer.id, None))
    assert rows.fetch("SELECT FROM delivery") == []


def test_with_one_a_delivery_is_due_at_once(rows: Rows, customer: Customer):
    end = ended(customer.id, URL, result='"ü \\\\u0000"')
    [task_id] = rows.emit(end)
    row = rows.delivery(task_id)
    assert (row["tenant_id"], row["event_type"], row["status"], row["attempt"]) == (
        customer.id, "task.succeeded", "PENDING", 0,
    )  # fmt: skip
    assert (row["url"], row["url_key"], row["body"]) == (URL, "https://hooks.example.com/a", events.body(end))
    assert row["due_in"] <= timedelta(0)


@pytest.mark.parametrize("role", ["tq_api", "tq_worker"])
async def test_who_ends_a_task_writes_its_event_in_the_same_transaction(
    environment: dict[str, str], customer: Customer, role: str
):
    connection = await asyncpg.connect(role_url(environment, role))
    try:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("SELECT set_config('app.tenant_ids', $1, true)", f"{{{customer.id}}}")
        end = ended(customer.id, URL)
        await events.emit(connection, [end])
        await transaction.rollback()
        owner = await asyncpg.connect(environment["DATABASE_URL"])
        assert await owner.fetch("SELECT FROM delivery WHERE task_id = $1", end.task_id) == []
        await owner.close()
    finally:
        await connection.close()


async def test_an_event_of_another_tenant_cannot_be_written(
    environment: dict[str, str], customer: Customer, neighbour: Customer
):
    connection = await asyncpg.connect(role_url(environment, "tq_worker"))
    try:
        async with connection.transaction():
            await connection.execute("SELECT set_config('app.tenant_ids', $1, true)", f"{{{customer.id}}}")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await events.emit(connection, [ended(neighbour.id, URL)])
    finally:
        await connection.close()
