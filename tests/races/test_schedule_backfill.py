"""Past times of a schedule are made up against a real database: each once, whatever dies, fires or is deleted meanwhile."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.core import ids
from app.schedules import backfill
from tests.races.operation_yard import KILLED, Operations

_FIRST = datetime(2026, 5, 4, 12, tzinfo=UTC)


async def _schedule(operations: Operations, tenant_id: UUID, **changes: Any) -> UUID:
    """Store a paused schedule with a time each minute."""
    schedule_id = ids.new_id()
    columns = {
        "tenant_id": tenant_id, "id": schedule_id, "name": f"s{schedule_id.hex}", "cron": "* * * * *", "timezone": "UTC",
        "overlap": "skip", "catch_up": "none", "catch_up_seconds": 0, "task": "echo", "pool": "prefork", "payload": '{"a": 1}',
        "priority": 4, "max_attempts": 1, "time_limit_seconds": 900.0, "tags": ["x"], "metadata": '{"k": "v"}',
    } | changes  # fmt: skip
    places = ", ".join(f"${place}" for place in range(1, len(columns) + 1))
    await operations.yard.owner.execute(
        f"INSERT INTO schedule ({', '.join(columns)}) VALUES ({places})", *columns.values()
    )
    return schedule_id


async def _start(operations: Operations, tenant_id: UUID, schedule_id: UUID, minutes: int) -> UUID:
    last = _FIRST + timedelta(minutes=minutes - 1)
    chosen = {"schedule_id": str(schedule_id), "from": _FIRST.isoformat(), "to": last.isoformat()}
    return await operations.start(tenant_id, "schedules.backfill", **chosen)


async def _add(operations: Operations, tenant_id: UUID, schedule_id: UUID, **row: Any) -> None:
    facts = {"tenant_id": tenant_id, "schedule_id": schedule_id, "fire_at": _FIRST} | row
    places = ", ".join(f"${place}" for place in range(1, len(facts) + 1))
    await operations.yard.owner.execute(
        f"INSERT INTO schedule_fire ({', '.join(facts)}) VALUES ({places})", *facts.values()
    )


async def _limit(operations: Operations, tenant_id: UUID, tasks: int) -> None:
    limits = json.dumps({"tasks_per_day": tasks})
    await operations.yard.owner.execute("UPDATE tenant SET limits = $2 WHERE id = $1", tenant_id, limits)


async def _rows(operations: Operations, schedule_id: UUID) -> list[tuple[float, str, str | None, int]]:
    rows = await operations.yard.owner.fetch(
        "SELECT * FROM schedule_fire WHERE schedule_id = $1 ORDER BY fire_at", schedule_id
    )
    minute = timedelta(minutes=1)
    return [((row["fire_at"] - _FIRST) / minute, row["outcome"], row["reason"], row["count"]) for row in rows]


async def _is_exact(operations: Operations, tenant_id: UUID, count: int) -> bool:
    """Return whether there is a task for each of so many rows, and the ledger counts them."""
    row = await operations.yard.owner.fetchrow(
        "SELECT (SELECT array_agg(id ORDER BY id) FROM task WHERE tenant_id = $1) AS tasks,"
        " (SELECT array_agg(task_id ORDER BY task_id) FROM schedule_fire WHERE tenant_id = $1 AND task_id IS NOT NULL) AS fired,"
        " (SELECT day_used FROM tenant_admitted WHERE tenant_id = $1) AS used",
        tenant_id,
    )
    return len(row["tasks"] or []) == count == (row["used"] or 0) and row["tasks"] == row["fired"]


async def test_each_time_without_a_task_is_made_up_once(operations: Operations):
    tenant_id = await operations.yard.tenant()
    schedule_id = await _schedule(operations, tenant_id)
    operation_id = await _start(operations, tenant_id, schedule_id, 250)
    await operations.run()
    assert await operations.counts(operation_id) == ("SUCCEEDED", 250, 250, 0, 0)
    assert await _rows(operations, schedule_id) == [(n, "fired", "backfill", 1) for n in range(250)]
    assert await _is_exact(operations, tenant_id, 250)
    task = await operations.yard.owner.fetchrow("SELECT * FROM task WHERE tenant_id = $1 LIMIT 1", tenant_id)
    assert (task["payload"], task["tags"]) == ('{"a": 1}', ["x"])
    row = await operations.yard.owner.fetchrow("SELECT fires, last_task_id FROM schedule WHERE id = $1", schedule_id)
    assert (row["fires"], row["last_task_id"]) == (0, None)
    again = await _start(operations, tenant_id, schedule_id, 252)
    await operations.run()
    assert await operations.counts(again) == ("SUCCEEDED", 2, 2, 0, 0)
    assert await _is_exact(operations, tenant_id, 252)


async def test_a_row_that_counts_several_times_begins_later(operations: Operations):
    tenant_id = await operations.yard.tenant()
    schedule_id = await _schedule(operations, tenant_id)
    missed = {"outcome": "missed", "reason": "late", "count": 4, "until": _FIRST + timedelta(minutes=3)}
    await _add(operations, tenant_id, schedule_id, **missed)
    await _start(operations, tenant_id, schedule_id, 2)
    await operations.run()
    made_up = [(0, "fired", "backfill", 1), (1, "fired", "backfill", 1)]
    assert await _rows(operations, schedule_id) == [*made_up, (2, "missed", "late", 2)]
    await _start(operations, tenant_id, schedule_id, 4)
    await operations.run()
    assert await _rows(operations, schedule_id) == [(n, "fired", "backfill", 1) for n in range(4)]
    assert await _is_exact(operations, tenant_id, 4)


async def test_two_runners_at_once_make_up_each_time_once(operations: Operations):
    tenant_id = await operations.yard.tenant()
    schedule_id = await _schedule(operations, tenant_id)
    for _ in range(2):
        await _start(operations, tenant_id, schedule_id, 300)
    await operations.run(operations.runner(), operations.runner())
    assert await _is_exact(operations, tenant_id, 300)


@pytest.mark.parametrize("point", ["operation.before_act", "group_commit.before_commit", "group_commit.after_commit"])
async def test_a_process_that_is_killed_makes_nothing_up_twice_and_leaves_nothing_out(
    operations: Operations, point: str
):
    tenant_id = await operations.yard.tenant()
    schedule_id = await _schedule(operations, tenant_id)
    operation_id = await _start(operations, tenant_id, schedule_id, 150)
    assert await asyncio.to_thread(operations.run_process, FAILPOINT=point) == KILLED
    await operations.run()
    assert await operations.counts(operation_id) == ("SUCCEEDED", 150, 150, 0, 0)
    assert await _is_exact(operations, tenant_id, 150)


async def test_a_backfill_waits_while_a_quota_leaves_no_room(operations: Operations):
    tenant_id = await operations.yard.tenant()
    await _limit(operations, tenant_id, 7)
    schedule_id = await _schedule(operations, tenant_id)
    operation_id = await _start(operations, tenant_id, schedule_id, 10)
    runner = operations.runner()
    while (await operations.row(operation_id))["waiting_for_limit"] is None:
        await operations.round(runner)
    assert (await operations.row(operation_id))["waiting_for_limit"] == "tasks_per_day"
    assert await _is_exact(operations, tenant_id, 7)
    await _limit(operations, tenant_id, 100)
    await operations.run()
    assert await operations.counts(operation_id) == ("SUCCEEDED", 10, 10, 0, 0)


async def test_a_schedule_that_is_deleted_ends_the_backfill(operations: Operations):
    tenant_id = await operations.yard.tenant()
    schedule_id = await _schedule(operations, tenant_id)
    operation_id = await _start(operations, tenant_id, schedule_id, 300)
    runner = operations.runner()
    while not (await operations.row(operation_id))["done"]:
        await operations.round(runner)
    await operations.yard.owner.execute("DELETE FROM schedule WHERE id = $1", schedule_id)
    await operations.run(runner)
    assert (await operations.row(operation_id))["status"] == "SUCCEEDED"


async def test_times_that_the_clock_will_decide_are_left_to_it(operations: Operations):
    tenant_id = await operations.yard.tenant()
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    schedule_id = await _schedule(operations, tenant_id, next_fire_at=now - timedelta(minutes=3))
    async with operations.worker.transaction(tenant_id) as connection:
        found = await backfill.plan(
            connection, tenant_id, schedule_id, now - timedelta(minutes=6), now + timedelta(minutes=6)
        )
    assert found.fires == [now - timedelta(minutes=n) for n in (6, 5, 4)]
