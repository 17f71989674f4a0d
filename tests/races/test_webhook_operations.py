"""Recover, replay-missing and resend against a real database: each delivery is sent once, whatever dies or changes meanwhile."""

import asyncio
import json
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.core import ids
from app.tasks.run.attempts import AttemptEnd, Outcome
from app.tasks.run.end import end
from tests.races.operation_yard import KILLED, Operations

_DONE = Outcome("SUCCESS", "SUCCESS", result='{"n":1}')
_LONG_AGO = "2020-01-01T00:00:00Z"
# The first two share their code but for the selection.
_KINDS = ("webhooks.recover", "webhooks.resend", "webhooks.replay_missing")


async def _endpoint(operations: Operations, tenant_id: UUID, **changes: Any) -> UUID:
    """Make an endpoint that gets every later event about a task."""
    facts: dict[str, Any] = {
        "event_types": ["task.succeeded", "task.failed", "task.revoked"], "filter_tasks": None, "filter_tags": None,
        "enabled": True,
    } | changes  # fmt: skip
    endpoint_id = ids.new_id()
    owner = operations.yard.owner
    await owner.execute("UPDATE tenant_slots SET features = features | 2 WHERE tenant_id = $1", tenant_id)
    await owner.execute(
        "INSERT INTO endpoint (tenant_id, id, url, event_types, filter_tasks, filter_tags, after_seq, enabled, disabled_at,"
        " disabled_by) SELECT $1, $2, 'https://a.example.com/', $3, $4, $5, s.event_seq, $6, CASE WHEN NOT $6 THEN now() END,"
        " CASE WHEN NOT $6 THEN 'tenant' END FROM tenant_slots s WHERE s.tenant_id = $1",
        tenant_id, endpoint_id, facts["event_types"], facts["filter_tasks"], facts["filter_tags"], facts["enabled"],
    )  # fmt: skip
    return endpoint_id


async def _enable(operations: Operations, tenant_id: UUID) -> None:
    await operations.yard.owner.execute(
        "UPDATE endpoint SET enabled = true, disabled_at = NULL, disabled_by = NULL WHERE tenant_id = $1", tenant_id
    )


async def _disable(operations: Operations, tenant_id: UUID) -> None:
    await operations.yard.owner.execute(
        "UPDATE endpoint SET enabled = false, disabled_at = now(), disabled_by = 'tenant' WHERE tenant_id = $1",
        tenant_id,
    )


async def _end_tasks(operations: Operations, tenant_id: UUID, count: int, **changes: Any) -> list[UUID]:
    """Let tasks succeed, and make the deliveries of their events."""
    await operations.yard.tasks(tenant_id, count, **changes)
    claims = await operations.claim(tenant_id, count)
    await end(operations.worker, [AttemptEnd(claim, _DONE) for claim in claims])
    await _fan_out(operations, tenant_id)
    return [claim.task_id for claim in claims]


async def _fan_out(operations: Operations, tenant_id: UUID) -> None:
    while True:
        rows = await operations.yard.owner.fetch("SELECT * FROM webhook_fan_out($1, 1000, 'disabled')", [tenant_id])
        if not any(row["has_more"] for row in rows):
            return


async def _set(operations: Operations, tenant_id: UUID, status: str) -> None:
    """Let all deliveries of a tenant have ended after ten attempts."""
    await operations.yard.owner.execute(
        "UPDATE delivery SET status = $2, attempt = 10, finished_at = now() WHERE tenant_id = $1", tenant_id, status
    )


async def _statuses(operations: Operations, tenant_id: UUID) -> Counter[str]:
    rows = await operations.yard.owner.fetch("SELECT status FROM delivery WHERE tenant_id = $1", tenant_id)
    return Counter(row["status"] for row in rows)


async def _sent(operations: Operations, tenant_id: UUID) -> Counter[UUID]:
    """Count the deliveries that are to be sent by their tasks, which must have a body."""
    rows = await operations.yard.owner.fetch(
        "SELECT task_id, body FROM delivery WHERE tenant_id = $1 AND status = 'PENDING' AND due_at <= now()", tenant_id
    )
    assert all(json.loads(row["body"])["data"]["task_id"] == str(row["task_id"]) for row in rows)
    return Counter(row["task_id"] for row in rows)


async def _prepare(operations: Operations, kind: str, count: int) -> tuple[UUID, UUID, list[UUID]]:
    """Make a tenant with so many deliveries on which an operation of this kind acts: tenant, operation, tasks."""
    tenant_id = await operations.yard.tenant()
    endpoint_id = await _endpoint(operations, tenant_id, enabled=kind != "webhooks.replay_missing")
    tasks = await _end_tasks(operations, tenant_id, count)
    if kind == "webhooks.replay_missing":
        await _enable(operations, tenant_id)
    else:
        await _set(operations, tenant_id, "FAILED")
    chosen = {} if kind == "webhooks.resend" else {"endpoint": str(endpoint_id), "since": _LONG_AGO}
    return tenant_id, await operations.start(tenant_id, kind, **chosen), tasks


@pytest.mark.parametrize(
    ("kind", "point"),
    [
        ("webhooks.recover", "operation.before_act"),
        ("webhooks.resend", "sending_act.before_commit"),
        ("webhooks.replay_missing", "sending_act.before_commit"),
        ("webhooks.replay_missing", "sending_act.after_commit"),
    ],
)
async def test_a_killed_runner_sends_each_delivery_once(operations: Operations, kind: str, point: str):
    tenant_id, operation_id, tasks = await _prepare(operations, kind, 130)
    # Each process dies at the same place, a step further on.
    for _ in range(2):
        assert await asyncio.to_thread(operations.run_process, FAILPOINT=point) == KILLED
    await operations.run()
    assert await operations.counts(operation_id) == ("SUCCEEDED", 130, 130, 0, 0)
    assert await _sent(operations, tenant_id) == Counter(tasks)


@pytest.mark.parametrize("kind", _KINDS[1:])
async def test_two_runners_at_once_send_each_delivery_once(operations: Operations, kind: str):
    tenant_id, operation_id, tasks = await _prepare(operations, kind, 300)
    await operations.run(operations.runner(), operations.runner())
    assert await operations.counts(operation_id) == ("SUCCEEDED", 300, 300, 0, 0)
    assert await _sent(operations, tenant_id) == Counter(tasks)


@pytest.mark.parametrize("kind", _KINDS)
async def test_a_runner_whose_dispatcher_no_longer_leads_sends_nothing(operations: Operations, kind: str):
    tenant_id, operation_id, _ = await _prepare(operations, kind, 5)
    await operations.yard.owner.execute("UPDATE operation SET is_counted = true, total = 5 WHERE id = $1", operation_id)
    stale = operations.runner(uuid.uuid4())
    for _ in range(3):
        await operations.round(stale)
    assert await operations.counts(operation_id) == ("RUNNING", 5, 0, 0, 0)
    assert await _sent(operations, tenant_id) == {}


@pytest.mark.parametrize("kind", _KINDS[1:])
async def test_a_cancelled_operation_says_what_it_has_sent(operations: Operations, kind: str):
    tenant_id, operation_id, _ = await _prepare(operations, kind, 300)
    runner = operations.runner()
    while (await operations.counts(operation_id))[2] < 100:
        await operations.round(runner)
    await operations.yard.owner.execute("UPDATE operation SET cancel_requested_at = now() WHERE id = $1", operation_id)
    await operations.run(runner)
    status, total, done, failed, skipped = await operations.counts(operation_id)
    assert (status, total, failed, skipped) == ("CANCELLED", 300, 0, 0)
    assert sum((await _sent(operations, tenant_id)).values()) == done
    assert 100 <= done < 300


async def test_recover_takes_failed_deliveries_of_its_endpoint_and_time_only(operations: Operations):
    yard, tenant_id = operations.yard, await operations.yard.tenant()
    endpoint_id = await _endpoint(operations, tenant_id)
    await _end_tasks(operations, tenant_id, 2)
    await _set(operations, tenant_id, "FAILED")
    between = (await yard.owner.fetchval("SELECT clock_timestamp()")).isoformat()
    await asyncio.sleep(0.01)
    wanted = await _end_tasks(operations, tenant_id, 3)
    await _set(operations, tenant_id, "FAILED")
    delivered = await _end_tasks(operations, tenant_id, 1)
    await yard.owner.execute(
        "UPDATE delivery SET status = 'DELIVERED', finished_at = now() WHERE task_id = $1", delivered[0]
    )
    other_endpoint = await _endpoint(operations, tenant_id)
    await _end_tasks(operations, tenant_id, 1)
    await yard.owner.execute(
        "UPDATE delivery SET status = 'FAILED', finished_at = now() WHERE endpoint_id = $1", other_endpoint
    )
    await yard.owner.execute(
        "UPDATE delivery SET status = 'FAILED', finished_at = now() WHERE endpoint_id = $1 AND status = 'PENDING'",
        endpoint_id,
    )
    until = (await yard.owner.fetchval("SELECT max(created_at) FROM event WHERE tenant_id = $1", tenant_id)).isoformat()
    chosen = {"endpoint": str(endpoint_id), "since": between, "until": until}
    operation_id = await operations.start(tenant_id, "webhooks.recover", **chosen)
    await operations.run()
    assert await operations.counts(operation_id) == ("SUCCEEDED", 3, 3, 0, 0)
    assert await _sent(operations, tenant_id) == Counter(wanted)
    row = await yard.owner.fetchrow("SELECT * FROM delivery WHERE task_id = $1", wanted[0])
    # All attempts of the schedule follow, and their numbers go on.
    assert (row["attempt"], row["schedule_from"], row["finished_at"]) == (10, 10, None)


async def test_what_fails_again_after_the_request_is_not_sent_a_second_time(operations: Operations):
    tenant_id, operation_id, _ = await _prepare(operations, "webhooks.resend", 120)
    runner, is_over = operations.runner(), asyncio.Event()

    async def fail() -> None:
        # A receiver that is still down: whatever is due fails at once.
        while not is_over.is_set():
            await operations.yard.owner.execute(
                "UPDATE delivery SET status = 'FAILED', attempt = attempt + 1, finished_at = clock_timestamp()"
                " WHERE tenant_id = $1 AND status = 'PENDING'",
                tenant_id,
            )
            await asyncio.sleep(0.001)

    failing = asyncio.create_task(fail())
    await operations.run(runner)
    is_over.set()
    await failing
    assert await operations.counts(operation_id) == ("SUCCEEDED", 120, 120, 0, 0)
    attempts = await operations.yard.owner.fetch("SELECT attempt FROM delivery WHERE tenant_id = $1", tenant_id)
    assert {row["attempt"] for row in attempts} <= {10, 11}


async def test_every_condition_of_a_resend_counts(operations: Operations):
    yard, tenant_id = operations.yard, await operations.yard.tenant()
    endpoint_id, other = [await _endpoint(operations, tenant_id) for _ in range(2)]
    tasks = await _end_tasks(operations, tenant_id, 4)
    rows = await yard.owner.fetch("SELECT id, endpoint_id FROM delivery WHERE tenant_id = $1 ORDER BY id", tenant_id)
    named = [str(row["id"]) for row in rows if row["endpoint_id"] == endpoint_id][:2]
    foreign = await _prepare(operations, "webhooks.resend", 1)
    await operations.yard.owner.execute("DELETE FROM operation")
    [strange] = await yard.owner.fetch("SELECT id FROM delivery WHERE tenant_id = $1", foreign[0])
    now = datetime.now(UTC)
    expected: list[tuple[dict[str, Any], int]] = [
        ({"endpoint": str(other), "statuses": ["DELIVERED"]}, 4),
        ({"task_id": str(tasks[0]), "statuses": ["DELIVERED", "FAILED"]}, 2),
        ({"task_id": str(tasks[0]), "endpoint": str(other), "statuses": ["DELIVERED"]}, 1),
        ({"ids": [*named, str(uuid.uuid4()), str(strange["id"])]}, 2),
        ({"type": "task.failed", "statuses": ["DELIVERED"]}, 0),
        ({"type": "task.succeeded", "statuses": ["DELIVERED"]}, 8),
        ({"since": (now + timedelta(hours=1)).isoformat(), "statuses": ["DELIVERED"]}, 0),
        ({"until": (now - timedelta(hours=1)).isoformat(), "statuses": ["DELIVERED"]}, 0),
        ({"all": True}, 0),
    ]
    for chosen, count in expected:
        await _set(operations, tenant_id, "DELIVERED")
        operation_id = await operations.start(tenant_id, "webhooks.resend", **chosen)
        await operations.run()
        assert await operations.counts(operation_id) == ("SUCCEEDED", count, count, 0, 0), chosen
        assert (await _statuses(operations, tenant_id))["PENDING"] == count, chosen


async def test_a_delivery_whose_endpoint_was_disabled_or_deleted_meanwhile_fails_by_name(operations: Operations):
    tenant_id, operation_id, _ = await _prepare(operations, "webhooks.resend", 3)
    await _disable(operations, tenant_id)
    await operations.run()
    assert await operations.counts(operation_id) == ("SUCCEEDED", 3, 0, 3, 0)
    errors = json.loads((await operations.row(operation_id))["errors"])
    rows = await operations.yard.owner.fetch("SELECT id FROM delivery WHERE tenant_id = $1", tenant_id)
    assert {error["delivery_id"] for error in errors} == {str(row["id"]) for row in rows}
    assert {error["detail"] for error in errors} == {"The endpoint is disabled or deleted. Enable it first."}
    await operations.yard.owner.execute("DELETE FROM endpoint WHERE tenant_id = $1", tenant_id)
    operation_id = await operations.start(tenant_id, "webhooks.resend")
    await operations.run()
    assert await operations.counts(operation_id) == ("SUCCEEDED", 3, 0, 3, 0)


async def test_replay_missing_sends_what_was_before_the_endpoint_what_it_asks_for_now_and_what_was_skipped(
    operations: Operations,
):
    tenant_id = await operations.yard.tenant()
    before = await _end_tasks(operations, tenant_id, 3)
    endpoint_id = await _endpoint(operations, tenant_id, event_types=["task.failed"])
    unwanted_then = await _end_tasks(operations, tenant_id, 2)
    await operations.yard.owner.execute(
        "UPDATE endpoint SET event_types = '{task.succeeded}', filter_tasks = '{echo}', filter_tags = '{x,y}' WHERE id = $1",
        endpoint_id,
    )
    await _end_tasks(operations, tenant_id, 2)
    tagged = await _end_tasks(operations, tenant_id, 2, tags='["y"]')
    await _set(operations, tenant_id, "DELIVERED")
    await _disable(operations, tenant_id)
    skipped = await _end_tasks(operations, tenant_id, 4, tags='["x","z"]')
    assert await _statuses(operations, tenant_id) == {"DELIVERED": 2, "SKIPPED": 4}
    await _enable(operations, tenant_id)
    chosen = {"endpoint": str(endpoint_id), "since": _LONG_AGO}
    operation_id = await operations.start(tenant_id, "webhooks.replay_missing", **chosen)
    await operations.run()
    assert await operations.counts(operation_id) == ("SUCCEEDED", 4, 4, 0, 0)
    assert await _sent(operations, tenant_id) == Counter(skipped)
    await operations.yard.owner.execute("UPDATE endpoint SET filter_tags = NULL WHERE id = $1", endpoint_id)
    operation_id = await operations.start(tenant_id, "webhooks.replay_missing", **chosen)
    await operations.run()
    status, total, done, *_ = await operations.counts(operation_id)
    assert (status, total, done) == ("SUCCEEDED", 7, 7)
    sent = await _sent(operations, tenant_id)
    assert sent.keys() >= {*before, *unwanted_then, *skipped}
    assert not sent.keys() & set(tagged)
    assert set(sent.values()) == {1}
    # One webhook-id for each event, whatever endpoint gets it and whenever.
    events = await operations.yard.owner.fetch(
        "SELECT event_id(e.tenant_id, e.seq, e.type, e.subject, e.created_at) AS id FROM event e WHERE e.tenant_id = $1",
        tenant_id,
    )
    deliveries = await operations.yard.owner.fetch("SELECT event_id FROM delivery WHERE tenant_id = $1", tenant_id)
    assert Counter(row["event_id"] for row in deliveries) == Counter(row["id"] for row in events)
    again = await operations.start(tenant_id, "webhooks.replay_missing", **chosen)
    await operations.run()
    assert await operations.counts(again) == ("SUCCEEDED", 0, 0, 0, 0)


async def test_replay_missing_goes_back_as_far_as_asked_and_as_events_may_be_read(operations: Operations):
    yard, tenant_id = operations.yard, await operations.yard.tenant()
    await _end_tasks(operations, tenant_id, 2)
    between = (await yard.owner.fetchval("SELECT clock_timestamp()")).isoformat()
    await asyncio.sleep(0.01)
    later = await _end_tasks(operations, tenant_id, 2)
    endpoint_id = await _endpoint(operations, tenant_id)
    operation_id = await operations.start(
        tenant_id, "webhooks.replay_missing", endpoint=str(endpoint_id), since=between
    )
    await operations.run()
    assert await operations.counts(operation_id) == ("SUCCEEDED", 2, 2, 0, 0)
    assert await _sent(operations, tenant_id) == Counter(later)
    await yard.owner.execute("UPDATE tenant SET limits = '{\"event_hours\": 0}' WHERE id = $1", tenant_id)
    operation_id = await operations.start(
        tenant_id, "webhooks.replay_missing", endpoint=str(endpoint_id), since=_LONG_AGO
    )
    await operations.run()
    assert await operations.counts(operation_id) == ("SUCCEEDED", 0, 0, 0, 0)


async def test_while_events_are_replayed_new_ones_get_one_delivery_each(operations: Operations):
    tenant_id = await operations.yard.tenant()
    tasks = await _end_tasks(operations, tenant_id, 200)
    endpoint_id = await _endpoint(operations, tenant_id)
    operation_id = await operations.start(
        tenant_id, "webhooks.replay_missing", endpoint=str(endpoint_id), since=_LONG_AGO
    )
    running = asyncio.create_task(operations.run())
    while not running.done():
        tasks += await _end_tasks(operations, tenant_id, 3)
    await running
    assert await operations.counts(operation_id) == ("SUCCEEDED", 200, 200, 0, 0)
    assert await _sent(operations, tenant_id) == Counter(tasks)


async def test_a_skipped_delivery_gets_its_body_when_it_is_sent_and_none_once_its_task_is_gone(
    operations: Operations,
):
    yard, tenant_id = operations.yard, await operations.yard.tenant()
    await _endpoint(operations, tenant_id, enabled=False)
    [kept, erased, gone] = await _end_tasks(operations, tenant_id, 3)
    await _enable(operations, tenant_id)
    api = yard.database("tq_api", 1)
    async with api.transaction(tenant_id) as connection:
        await connection.execute("SELECT * FROM task_erase($1, $2)", tenant_id, erased)
    await api.close()
    await yard.owner.execute("DELETE FROM task WHERE id = $1", gone)
    operation_id = await operations.start(tenant_id, "webhooks.resend", statuses=["SKIPPED"])
    await operations.run()
    assert await operations.counts(operation_id) == ("SUCCEEDED", 3, 2, 1, 0)
    rows = await yard.owner.fetch("SELECT task_id, body, status FROM delivery WHERE tenant_id = $1", tenant_id)
    bodies = {row["task_id"]: row["body"] and json.loads(row["body"])["data"] for row in rows}
    assert bodies[kept]["result"] == {"n": 1}
    assert (bodies[erased]["result"], bodies[erased]["result_omitted"]) == (None, True)
    assert bodies[gone] is None
    assert {row["status"] for row in rows if row["task_id"] == gone} == {"SKIPPED"}
