"""Operations against a real database: each task is acted on once, whatever dies, starts, ends or is submitted meanwhile."""

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from app.task_errors import store as error_store
from app.tasks.run.attempts import AttemptEnd, Outcome
from app.tasks.run.end import end
from tests.races.conftest import Yard
from tests.races.operation_yard import KILLED, Operations

_FAILED = Outcome("FAILURE", "FAILURE", error={"type": "ValueError", "message": "no"})


async def _cancels_exactly(operations: Operations, chosen_count: int) -> None:
    yard, tenant_id, other = operations.yard, await operations.yard.tenant(), await operations.yard.tenant()
    for _ in range(chosen_count // 1_000):
        await yard.tasks(tenant_id, 1_000, tags='["old"]')
    await yard.tasks(tenant_id, 50)
    await yard.tasks(other, 50, tags='["old"]')
    operation_id = await operations.start(tenant_id, "tasks.cancel", tag="old")
    late: list[UUID] = []
    is_over = asyncio.Event()

    async def submit() -> None:
        while not is_over.is_set():
            late.extend(await yard.tasks(tenant_id, 20, tags='["old"]'))
            await asyncio.sleep(0.05)

    submitting = asyncio.create_task(submit())
    await operations.run()
    is_over.set()
    await submitting
    assert await operations.counts(operation_id) == ("SUCCEEDED", chosen_count, chosen_count, 0, 0)
    assert await operations.statuses(tenant_id) == {"REVOKED": chosen_count, "PENDING": 50 + len(late)}
    assert await operations.statuses(other) == {"PENDING": 50}
    assert await operations.is_ledger_exact(tenant_id)
    assert late


async def test_thousands_of_waiting_tasks_are_cancelled_while_others_are_submitted(operations: Operations):
    await _cancels_exactly(operations, 3_000)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_fifty_thousand_waiting_tasks_are_cancelled_while_others_are_submitted(operations: Operations):
    await _cancels_exactly(operations, 50_000)


async def test_running_tasks_are_asked_to_end_and_the_count_names_them(operations: Operations):
    tenant_id = await operations.yard.tenant()
    await operations.yard.tasks(tenant_id, 30)
    running = {claim.task_id for claim in await operations.claim(tenant_id, 10)}
    operation_id = await operations.start(tenant_id, "tasks.cancel")
    await operations.run()
    assert await operations.counts(operation_id) == ("SUCCEEDED", 30, 30, 0, 0)
    assert await operations.statuses(tenant_id) == {"REVOKED": 20, "STARTED": 10}
    asked = await operations.yard.owner.fetch(
        "SELECT id FROM task WHERE tenant_id = $1 AND status = 'STARTED' AND cancel_requested_at IS NOT NULL", tenant_id
    )
    assert {row["id"] for row in asked} == running


async def test_a_filter_by_status_leaves_running_tasks_alone(operations: Operations):
    tenant_id = await operations.yard.tenant()
    await operations.yard.tasks(tenant_id, 5)
    await operations.claim(tenant_id, 2)
    operation_id = await operations.start(tenant_id, "tasks.cancel", statuses=["PENDING"])
    await operations.run()
    assert await operations.counts(operation_id) == ("SUCCEEDED", 3, 3, 0, 0)
    assert not await operations.yard.owner.fetchval(
        "SELECT count(*) FROM task WHERE tenant_id = $1 AND status = 'STARTED' AND cancel_requested_at IS NOT NULL",
        tenant_id,
    )


async def test_no_task_is_missed_that_starts_or_waits_again_meanwhile(operations: Operations):
    tenant_id = await operations.yard.tenant()
    await operations.yard.tasks(tenant_id, 2_000)
    operation_id = await operations.start(tenant_id, "tasks.cancel")
    is_over = asyncio.Event()
    lost = Outcome("PENDING", "LOST")

    async def move() -> None:
        while not is_over.is_set():
            claims = await operations.claim(tenant_id, 20)
            if claims:
                await end(operations.worker, [AttemptEnd(claim, lost) for claim in claims])
            await asyncio.sleep(0.001)

    moving = [asyncio.create_task(move()) for _ in range(2)]
    await operations.run()
    is_over.set()
    await asyncio.gather(*moving)
    # A task that ran when it was reached ends with its attempt, as it has been asked to.
    assert await operations.statuses(tenant_id) == {"REVOKED": 2_000}
    assert await operations.counts(operation_id) == ("SUCCEEDED", 2_000, 2_000, 0, 0)
    assert await operations.is_ledger_exact(tenant_id)


async def test_every_condition_of_a_filter_counts(operations: Operations):
    yard, tenant_id = operations.yard, await operations.yard.tenant()
    old = await yard.tasks(tenant_id, 2, task="a", tags='["x"]')
    await yard.owner.execute("UPDATE task SET created_at = now() - interval '1 hour' WHERE id = ANY($1)", old)
    await yard.tasks(tenant_id, 3, task="a", tags='["x"]')
    await yard.tasks(tenant_id, 4, task="b", tags='["x"]')
    await yard.tasks(tenant_id, 5, task="a")
    half_an_hour_ago = (await yard.owner.fetchval("SELECT now() - interval '30 minutes'")).isoformat()
    named = await yard.tasks(tenant_id, 3, task="c")
    others = await yard.tasks(await yard.tenant(), 1)
    expected = [
        ({"task": "a", "tag": "x", "created_to": half_an_hour_ago}, 2),
        ({"task": "a", "tag": "x", "created_from": half_an_hour_ago}, 3),
        ({"tag": "x"}, 4),
        ({"ids": [str(named[0]), str(others[0]), str(uuid.uuid4())]}, 1),
        ({"task": "none"}, 0),
        ({"all": True}, 7),
    ]
    for chosen, count in expected:
        operation_id = await operations.start(tenant_id, "tasks.cancel", **chosen)
        await operations.run()
        assert await operations.counts(operation_id) == ("SUCCEEDED", count, count, 0, 0), chosen
    assert await operations.statuses(tenant_id) == {"REVOKED": 17}


async def test_the_failed_tasks_of_an_error_are_run_again_once_and_no_others(operations: Operations):
    tenant_id, other = await operations.yard.tenant(), await operations.yard.tenant()
    failed = await operations.fail(tenant_id, 230)
    await operations.fail(tenant_id, 20, task="b")
    await operations.fail(other, 5)
    await operations.yard.tasks(tenant_id, 20)
    assert await error_store.roll_up_any_tenant(operations.finder, 10_000, 1_000, operations.fence) >= 255
    rows = await operations.yard.owner.fetch(
        "SELECT id, task FROM task_error WHERE tenant_id = $1 ORDER BY task DESC", tenant_id
    )
    assert [row["task"] for row in rows] == ["echo", "b"]
    error_id, error_b = (str(row["id"]) for row in rows)
    for chosen, count in (
        # A task's end is not undone, and waiting tasks are of no error.
        ({"error_id": error_id, "statuses": ["SUCCESS"]}, 0),
        ({"error_id": error_id, "ids": [str(failed[0]), str(failed[1])]}, 2),
        ({"error_id": error_b, "ids": [str(failed[0])]}, 0),
        ({"error_id": str(uuid.uuid4())}, 0),
    ):
        operation_id = await operations.start(tenant_id, "tasks.retry", **chosen)
        await operations.run()
        assert await operations.counts(operation_id) == ("SUCCEEDED", count, count, 0, 0), chosen
    operation_id = await operations.start(tenant_id, "tasks.retry", error_id=error_id)
    await operations.run()
    assert await operations.counts(operation_id) == ("SUCCEEDED", 230, 230, 0, 0)
    assert await operations.retries(tenant_id) == Counter(failed) + Counter(failed[:2])
    # None of them waits: a cancel by error finds none.
    operation_id = await operations.start(tenant_id, "tasks.cancel", error_id=error_id)
    await operations.run()
    assert await operations.counts(operation_id) == ("SUCCEEDED", 0, 0, 0, 0)
    assert await operations.is_ledger_exact(tenant_id)


async def test_each_failed_task_is_run_again_once_with_its_own_request(operations: Operations):
    tenant_id = await operations.yard.tenant()
    facts = {"payload": '{"n":1e2}', "tags": '["a","b"]', "priority": 7, "max_attempts": 2, "timeout_seconds": 3.0}
    failed = await operations.fail(tenant_id, 250, **facts, webhook_url="https://example.com/hook")
    await operations.yard.tasks(tenant_id, 20)
    operation_id = await operations.start(tenant_id, "tasks.retry")
    await operations.run()
    assert await operations.counts(operation_id) == ("SUCCEEDED", 250, 250, 0, 0)
    assert await operations.retries(tenant_id) == Counter(failed)
    same = await operations.yard.owner.fetchval(
        "SELECT count(*) FROM task n JOIN task o ON o.tenant_id = n.tenant_id AND o.id = n.retry_of WHERE n.tenant_id = $1"
        " AND n.payload::text = o.payload::text AND (n.task, n.pool, n.priority, n.tags, n.max_attempts, n.timeout_seconds,"
        " n.time_limit_seconds, n.webhook_url) = (o.task, o.pool, o.priority, o.tags, o.max_attempts, o.timeout_seconds,"
        " o.time_limit_seconds, o.webhook_url) AND n.status = 'PENDING'",
        tenant_id,
    )
    assert same == 250
    assert await operations.is_ledger_exact(tenant_id)


async def test_large_payloads_are_repeated_a_few_at_a_time(operations: Operations):
    tenant_id = await operations.yard.tenant()
    failed = await operations.fail(tenant_id, 12, payload=json.dumps("x" * 250_000))
    operation_id = await operations.start(tenant_id, "tasks.retry")
    await operations.run()
    assert await operations.counts(operation_id) == ("SUCCEEDED", 12, 12, 0, 0)
    assert await operations.retries(tenant_id) == Counter(failed)


@pytest.mark.parametrize(
    ("limits", "name", "raised"),
    [
        ({"backlog": 30}, "backlog", {"backlog": 1_000}),
        ({"tasks_per_day": 130}, "tasks_per_day", {}),
        ({"tasks_per_month": 130}, "tasks_per_month", {}),
    ],
)
async def test_a_retry_uses_the_room_that_a_limit_leaves_and_then_waits_for_more(
    operations: Operations, limits: dict[str, int], name: str, raised: dict[str, int]
):
    yard, tenant_id = operations.yard, await operations.yard.tenant()
    failed = await operations.fail(tenant_id, 100)
    await yard.owner.execute("UPDATE tenant SET limits = $2 WHERE id = $1", tenant_id, json.dumps(limits))
    operation_id = await operations.start(tenant_id, "tasks.retry")
    runner = operations.runner()
    async with asyncio.timeout(30):
        while (await operations.row(operation_id))["waiting_for_limit"] is None:
            await operations.round(runner)
    assert await operations.counts(operation_id) == ("RUNNING", 100, 30, 0, 0)
    assert (await operations.row(operation_id))["waiting_for_limit"] == name
    await yard.owner.execute("UPDATE tenant SET limits = $2 WHERE id = $1", tenant_id, json.dumps(raised))
    # A new leader remembers no pause.
    await operations.run()
    assert await operations.counts(operation_id) == ("SUCCEEDED", 100, 100, 0, 0)
    assert (await operations.row(operation_id))["waiting_for_limit"] is None
    assert await operations.retries(tenant_id) == Counter(failed)


async def test_an_operation_that_waits_does_not_keep_the_tenants_next_one_waiting(operations: Operations):
    yard, tenant_id = operations.yard, await operations.yard.tenant()
    await operations.fail(tenant_id, 10)
    await yard.tasks(tenant_id, 5)
    await yard.owner.execute("UPDATE tenant SET limits = '{\"tasks_per_day\": 1}' WHERE id = $1", tenant_id)
    waiting = await operations.start(tenant_id, "tasks.retry")
    cancelling = await operations.start(tenant_id, "tasks.cancel")
    runner = operations.runner()
    async with asyncio.timeout(30):
        while (await operations.counts(cancelling))[0] == "RUNNING":
            await operations.round(runner)
    assert await operations.counts(cancelling) == ("SUCCEEDED", 5, 5, 0, 0)
    assert await operations.counts(waiting) == ("RUNNING", 10, 0, 0, 0)


@pytest.mark.parametrize(
    ("kind", "point"),
    [
        ("tasks.cancel", "operation.before_act"),
        ("tasks.cancel", "cancel_many.before_settle"),
        ("tasks.cancel", "cancel_many.before_commit"),
        ("tasks.cancel", "cancel_many.after_commit"),
        ("tasks.retry", "operation.before_act"),
        ("tasks.retry", "group_commit.before_commit"),
        ("tasks.retry", "group_commit.after_commit"),
        ("tasks.retry", "accept.before_offer"),
    ],
)
async def test_a_killed_runner_loses_and_repeats_nothing(operations: Operations, kind: str, point: str):
    tenant_id = await operations.yard.tenant()
    if kind == "tasks.cancel":
        tasks = await operations.yard.tasks(tenant_id, 250)
    else:
        tasks = await operations.fail(tenant_id, 250)
    operation_id = await operations.start(tenant_id, kind)
    # Each process dies at the same place, a step further on.
    for _ in range(2):
        assert await asyncio.to_thread(operations.run_process, FAILPOINT=point) == KILLED
    await operations.run()
    assert await operations.counts(operation_id) == ("SUCCEEDED", 250, 250, 0, 0)
    if kind == "tasks.cancel":
        assert await operations.statuses(tenant_id) == {"REVOKED": 250}
    else:
        assert await operations.retries(tenant_id) == Counter(tasks)
    assert await operations.is_ledger_exact(tenant_id)


@pytest.mark.parametrize("kind", ["tasks.cancel", "tasks.retry"])
async def test_two_runners_at_once_act_on_each_task_once(operations: Operations, kind: str):
    tenant_id = await operations.yard.tenant()
    make = operations.yard.tasks if kind == "tasks.cancel" else operations.fail
    tasks = await make(tenant_id, 900)
    operation_id = await operations.start(tenant_id, kind)
    # Both have the token: as if a leader had been suspended between its look and its statement.
    await operations.run(operations.runner(), operations.runner())
    assert await operations.counts(operation_id) == ("SUCCEEDED", 900, 900, 0, 0)
    if kind == "tasks.retry":
        assert await operations.retries(tenant_id) == Counter(tasks)
    assert await operations.is_ledger_exact(tenant_id)


@pytest.mark.parametrize("kind", ["tasks.cancel", "tasks.retry"])
async def test_a_runner_whose_dispatcher_no_longer_leads_changes_nothing(operations: Operations, kind: str):
    tenant_id = await operations.yard.tenant()
    make = operations.yard.tasks if kind == "tasks.cancel" else operations.fail
    await make(tenant_id, 10)
    operation_id = await operations.start(tenant_id, kind)
    await operations.yard.owner.execute(
        "UPDATE operation SET is_counted = true, total = 10 WHERE id = $1", operation_id
    )
    before = await operations.statuses(tenant_id)
    stale = operations.runner(uuid.uuid4())
    for _ in range(3):
        await operations.round(stale)
    assert await operations.counts(operation_id) == ("RUNNING", 10, 0, 0, 0)
    assert await operations.statuses(tenant_id) == before


async def test_a_cancelled_operation_ends_after_its_step_and_says_what_it_has_done(operations: Operations):
    tenant_id = await operations.yard.tenant()
    await operations.yard.tasks(tenant_id, 1_000)
    operation_id = await operations.start(tenant_id, "tasks.cancel")
    runner = operations.runner()
    while (await operations.counts(operation_id))[2] < 300:
        await operations.round(runner)
    await operations.yard.owner.execute("UPDATE operation SET cancel_requested_at = now() WHERE id = $1", operation_id)
    await operations.run(runner)
    status, total, done, failed, skipped = await operations.counts(operation_id)
    assert (status, total, failed, skipped) == ("CANCELLED", 1_000, 0, 0)
    assert await operations.statuses(tenant_id) == {"REVOKED": done, "PENDING": 1_000 - done}
    assert 300 <= done < 1_000


async def test_an_operation_that_is_a_week_old_fails_and_says_so(operations: Operations):
    tenant_id = await operations.yard.tenant()
    operation_id = await operations.start(tenant_id, "tasks.cancel")
    await operations.yard.owner.execute(
        "UPDATE operation SET created_at = now() - interval '8 days' WHERE id = $1", operation_id
    )
    await operations.run()
    row = await operations.row(operation_id)
    assert row["status"] == "FAILED"
    assert "within 7 days" in json.loads(row["errors"])[0]["detail"]


async def test_each_tenant_has_its_turn(operations: Operations):
    yard, large, small = operations.yard, await operations.yard.tenant(), await operations.yard.tenant()
    await yard.tasks(large, 2_000)
    await yard.tasks(small, 75)
    first = await operations.start(large, "tasks.cancel")
    second = await operations.start(small, "tasks.cancel")
    runner, rounds = operations.runner(), 0
    while (await operations.counts(second))[0] == "RUNNING":
        await operations.round(runner)
        rounds += 1
    # One step counts, and two act, whatever the other tenant has asked for.
    assert rounds <= 4
    assert (await operations.counts(first))[0] == "RUNNING"


async def test_a_suspended_tenants_operation_goes_on_when_it_is_active_again(operations: Operations):
    yard, tenant_id = operations.yard, await operations.yard.tenant()
    await yard.tasks(tenant_id, 5)
    operation_id = await operations.start(tenant_id, "tasks.cancel")
    await yard.owner.execute("UPDATE tenant SET status = 'suspended' WHERE id = $1", tenant_id)
    assert not await operations.round(operations.runner())
    await yard.owner.execute("UPDATE tenant SET status = 'active' WHERE id = $1", tenant_id)
    await operations.run()
    assert await operations.counts(operation_id) == ("SUCCEEDED", 5, 5, 0, 0)


@pytest.fixture
async def refused_payload(yard: Yard) -> AsyncIterator[str]:
    """A payload with which no task can be stored."""
    poison = json.dumps(uuid.uuid4().hex)
    await yard.owner.execute(
        "CREATE FUNCTION test_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'poison'; END $$"
    )
    await yard.owner.execute(
        f"CREATE TRIGGER test_refuse BEFORE INSERT ON task FOR EACH ROW WHEN (NEW.payload::text = '{poison}' AND NEW.retry_of"
        " IS NOT NULL) EXECUTE FUNCTION test_refuse()"
    )
    yield poison
    await yard.owner.execute("DROP FUNCTION test_refuse CASCADE")


async def test_a_task_that_cannot_be_stored_is_named_and_keeps_no_other_from_being_run_again(
    operations: Operations, refused_payload: str
):
    tenant_id = await operations.yard.tenant()
    before = await operations.fail(tenant_id, 3)
    [poisoned] = await operations.fail(tenant_id, 1, payload=refused_payload)
    after = await operations.fail(tenant_id, 3)
    operation_id = await operations.start(tenant_id, "tasks.retry")
    await operations.run()
    assert await operations.counts(operation_id) == ("SUCCEEDED", 7, 6, 1, 0)
    assert [one["task_id"] for one in json.loads((await operations.row(operation_id))["errors"])] == [str(poisoned)]
    assert await operations.retries(tenant_id) == Counter([*before, *after])


async def test_only_the_latest_failures_are_kept(operations: Operations):
    tenant_id = await operations.yard.tenant()
    operation_id = await operations.start(tenant_id, "tasks.retry")
    call = "SELECT operation_advance($1, $2, cursor, $3, NOT is_counted, 0, 0, 1, 0, $4, 20, $5) FROM operation WHERE id = $2"
    for number in range(25):
        errors = json.dumps([{"task_id": str(number), "detail": ""}])
        await operations.yard.owner.execute(call, tenant_id, operation_id, uuid.uuid4(), errors, operations.fence)
    kept = [one["task_id"] for one in json.loads((await operations.row(operation_id))["errors"])]
    assert kept == [str(number) for number in range(24, 4, -1)]
