"""Fires of schedules happen once each: two dispatchers at once, crashes between statements, and every policy."""

import asyncio
import json
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from redis.asyncio import Redis

from app.core import ids
from app.db import Database, connect
from app.dispatch.schedule_sweep import ScheduleSweep
from app.identity.principal import Actor
from app.schedules import changes, due_store
from app.schedules.firing import Firing
from app.tasks.run.attempts import AttemptEnd, Outcome
from app.tasks.run.end import end
from app.tasks.submit.accept import Acceptor
from tests.claims import claim_for
from tests.conftest import ROOT, Servers, role_url
from tests.races.conftest import Yard

KILLED = 137
_SUCCESS = Outcome("SUCCESS", "SUCCESS", result="1")
_FAILURE = Outcome("FAILURE", "FAILURE", error={"type": "ValueError", "message": "no"})


@dataclass
class Planner:
    """Schedules of the database of the races, and dispatchers that fire them."""

    yard: Yard
    redis: Redis
    worker: Database
    submit: Database
    finder: "asyncpg.Connection[Any]"
    fence: UUID

    def sweep(self, finder: "asyncpg.Connection[Any] | None" = None, fence: UUID | None = None) -> ScheduleSweep:
        """Return the sweep of a dispatcher that has just begun to lead."""
        acceptor = Acceptor(self.submit, self.worker, self.redis)
        firing = Firing(self.worker, self.submit, acceptor, self.redis, fence or self.fence)
        return ScheduleSweep(finder or self.finder, firing)

    async def tick(self, sweep: ScheduleSweep | None = None) -> None:
        """Let a dispatcher look once, and fire what it finds."""
        sweep = sweep or self.sweep()
        await sweep.look()
        await sweep.wait()

    async def schedule(self, tenant_id: UUID, **changes: Any) -> UUID:
        """Store a schedule that is due since a second ago, every hour."""
        schedule_id, due = ids.new_id(), await self.now() - timedelta(seconds=1)
        columns = {
            "tenant_id": tenant_id, "id": schedule_id, "name": f"s{schedule_id.hex}", "every_seconds": 3600, "timezone": "UTC",
            "overlap": "allow", "catch_up": "none", "catch_up_seconds": 3600, "task": "echo", "pool": "prefork",
            "payload": "1", "priority": 4, "max_attempts": 1, "time_limit_seconds": 900.0, "next_fire_at": due,
            "starts_at": due,
        } | changes  # fmt: skip
        places = ", ".join(f"${place}" for place in range(1, len(columns) + 1))
        await self.yard.owner.execute(
            f"INSERT INTO schedule ({', '.join(columns)}) VALUES ({places})", *columns.values()
        )
        return schedule_id

    async def now(self) -> datetime:
        """Return the database's time, in full seconds."""
        moment: datetime = await self.yard.owner.fetchval("SELECT now()")
        return moment.replace(microsecond=0)

    async def row(self, schedule_id: UUID) -> dict[str, Any]:
        """Return a schedule as it is stored."""
        return dict(await self.yard.owner.fetchrow("SELECT * FROM schedule WHERE id = $1", schedule_id))

    async def fires(self, schedule_id: UUID) -> list[tuple[str, str | None, int]]:
        """Return outcome, reason and count of the fires of a schedule, the oldest first."""
        rows = await self.yard.owner.fetch(
            "SELECT outcome, reason, count FROM schedule_fire WHERE schedule_id = $1 ORDER BY fire_at", schedule_id
        )
        return [tuple(row) for row in rows]

    async def is_exact(self, tenant_id: UUID) -> bool:
        """Return whether each fired row has its task and each task its row, and the ledger counts them."""
        row = await self.yard.owner.fetchrow(
            "SELECT (SELECT array_agg(id ORDER BY id) FROM task WHERE tenant_id = $1) AS tasks,"
            " (SELECT array_agg(task_id ORDER BY task_id) FROM schedule_fire WHERE tenant_id = $1 AND task_id IS NOT NULL) AS fired,"
            " (SELECT sum(fires) FROM schedule WHERE tenant_id = $1) AS fires,"
            " (SELECT day_used FROM tenant_admitted WHERE tenant_id = $1) AS used",
            tenant_id,
        )
        tasks = row["tasks"] or []
        return tasks == (row["fired"] or []) and len(tasks) == (row["fires"] or 0) == (row["used"] or 0)

    async def again(self, *schedule_ids: UUID) -> None:
        """Let schedules be due again."""
        await self.yard.owner.execute(
            "UPDATE schedule SET next_fire_at = now() WHERE id = ANY($1)",
            schedule_ids,
        )

    async def end(self, tenant_id: UUID, outcome: Outcome = _SUCCESS) -> None:
        """Let a worker run one task to its end."""
        claims = await claim_for(self.worker, tenant_id, pool="prefork", worker_id=uuid.uuid4(), limit=1)
        assert len(claims) == 1
        await end(self.worker, [AttemptEnd(claims[0], outcome)])

    async def start(self, tenant_id: UUID) -> None:
        """Let a worker start one task."""
        assert await claim_for(self.worker, tenant_id, pool="prefork", worker_id=uuid.uuid4(), limit=1)

    def process(self, **settings: str) -> "subprocess.Popen[bytes]":
        """Start a process that fires what is due."""
        line = [sys.executable, "-m", "tests.races.schedule_process", str(self.fence)]
        return subprocess.Popen(line, cwd=ROOT, env=self.yard.environment | settings)


@pytest.fixture
async def planner(yard: Yard, servers: Servers) -> AsyncIterator[Planner]:
    """A dispatcher without its other sweeps, in a database without schedules of earlier tests."""
    await yard.owner.execute("DELETE FROM schedule")
    redis = Redis.from_url(yard.environment["REDIS_URL"])
    worker, submit = yard.database("tq_worker"), yard.database("tq_submit")
    finder = await connect(role_url(yard.environment, "tq_dispatch"))
    yield Planner(yard, redis, worker, submit, finder, await yard.fence())
    await finder.close()
    for database in (worker, submit):
        await database.close()
    await redis.flushdb()
    await redis.aclose()


async def test_a_due_schedule_makes_one_task_and_moves_on(planner: Planner):
    tenant_id = await planner.yard.tenant()
    schedule_id = await planner.schedule(tenant_id, payload='{"a": 1}', tags=["x"], metadata='{"k": "v"}')
    due = (await planner.row(schedule_id))["next_fire_at"]
    for _ in range(3):
        await planner.tick()
    row = await planner.row(schedule_id)
    assert (row["fires"], row["last_fire_at"], row["next_fire_at"]) == (1, due, due + timedelta(hours=1))
    task = await planner.yard.owner.fetchrow("SELECT * FROM task WHERE tenant_id = $1", tenant_id)
    assert (task["id"], task["payload"], task["tags"]) == (row["last_task_id"], '{"a": 1}', ["x"])
    assert json.loads(task["metadata"]) == {"k": "v"}
    assert await planner.fires(schedule_id) == [("fired", None, 1)]
    assert await planner.is_exact(tenant_id)


async def test_two_dispatchers_at_once_fire_each_schedule_once(planner: Planner):
    tenants = [await planner.yard.tenant() for _ in range(10)]
    schedules = [await planner.schedule(tenant_id) for tenant_id in tenants for _ in range(30)]
    second = await connect(role_url(planner.yard.environment, "tq_dispatch"))
    sweeps = [planner.sweep(), planner.sweep(second)]
    for _ in range(3):
        await asyncio.gather(*(planner.tick(sweep) for sweep in sweeps))
        assert all([await planner.is_exact(tenant_id) for tenant_id in tenants])
        await planner.again(*schedules)
    await second.close()
    fires = await planner.yard.owner.fetchval("SELECT count(*) FROM schedule_fire WHERE outcome = 'fired'")
    assert fires == 3 * len(schedules)


async def test_two_processes_at_once_fire_each_schedule_once(planner: Planner):
    tenants = [await planner.yard.tenant() for _ in range(4)]
    schedules = [await planner.schedule(tenant_id) for tenant_id in tenants for _ in range(50)]
    processes = [planner.process(), planner.process()]
    for process in processes:
        assert await asyncio.to_thread(process.wait, 60) == 0
    await planner.tick()
    assert all([await planner.is_exact(tenant_id) for tenant_id in tenants])
    assert [(await planner.row(schedule_id))["fires"] for schedule_id in schedules] == [1] * len(schedules)


@pytest.mark.parametrize(
    ("point", "fired"),
    [
        ("schedule.before_fire", 0),
        ("group_commit.before_commit", 0),
        ("group_commit.after_commit", 1),
        ("accept.before_offer", 1),
        ("schedule.after_fire", 1),
    ],
)
async def test_a_dispatcher_that_is_killed_fires_nothing_twice_and_leaves_nothing_out(
    planner: Planner, point: str, fired: int
):
    tenant_id = await planner.yard.tenant()
    schedules = [await planner.schedule(tenant_id) for _ in range(5)]
    process = planner.process(FAILPOINT=point)
    assert await asyncio.to_thread(process.wait, 60) == KILLED
    assert [(await planner.row(schedule_id))["fires"] for schedule_id in schedules] == [fired] * 5
    assert await planner.is_exact(tenant_id)
    await planner.tick()
    assert [(await planner.row(schedule_id))["fires"] for schedule_id in schedules] == [1] * 5
    assert await planner.is_exact(tenant_id)


async def test_a_dispatcher_that_does_not_lead_fires_nothing(planner: Planner):
    tenant_id = await planner.yard.tenant()
    schedule_id = await planner.schedule(tenant_id)
    await planner.tick(planner.sweep(fence=uuid.uuid4()))
    assert (await planner.fires(schedule_id), (await planner.row(schedule_id))["fires"]) == ([], 0)
    assert await planner.is_exact(tenant_id)
    await planner.tick()
    assert await planner.fires(schedule_id) == [("fired", None, 1)]


@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [
        ("none", [("missed", "late", 3)]),
        ("latest", [("missed", "late", 2), ("fired", None, 1)]),
        ("all", [("fired", None, 1)] * 3),
    ],
)
async def test_a_dispatcher_that_was_stopped_for_three_periods_follows_the_policy(
    planner: Planner, catch_up: str, expected: list[Any]
):
    tenant_id = await planner.yard.tenant()
    since = await planner.now() - timedelta(minutes=150)
    schedule_id = await planner.schedule(
        tenant_id, catch_up=catch_up, catch_up_seconds=86_400, starts_at=since, next_fire_at=since
    )
    for _ in range(2):
        await planner.tick()
    assert await planner.fires(schedule_id) == expected
    assert (await planner.row(schedule_id))["next_fire_at"] == since + timedelta(hours=3)
    assert await planner.is_exact(tenant_id)
    events = await planner.yard.owner.fetch("SELECT data FROM event WHERE tenant_id = $1 AND type = 9", tenant_id)
    missed = [count for outcome, _, count in expected if outcome == "missed"]
    assert [json.loads(event["data"])["count"] for event in events] == missed


async def test_a_fire_that_finds_a_task_is_skipped_and_says_so(planner: Planner):
    tenant_id = await planner.yard.tenant()
    schedule_id = await planner.schedule(tenant_id, overlap="skip")
    await planner.tick()
    await planner.again(schedule_id)
    await planner.tick()
    assert [outcome for outcome, *_ in await planner.fires(schedule_id)] == ["fired", "skipped_overlap"]
    await planner.end(tenant_id)
    await planner.yard.owner.execute("UPDATE schedule SET next_fire_at = now() WHERE id = $1", schedule_id)
    await planner.tick()
    assert Counter(outcome for outcome, *_ in await planner.fires(schedule_id)) == {"fired": 2, "skipped_overlap": 1}
    assert await planner.is_exact(tenant_id)


async def test_one_fire_waits_for_the_end_of_the_task(planner: Planner):
    tenant_id = await planner.yard.tenant()
    schedule_id = await planner.schedule(tenant_id, overlap="queue_one")
    await planner.tick()
    await planner.start(tenant_id)
    await planner.yard.owner.execute("UPDATE schedule SET next_fire_at = now() WHERE id = $1", schedule_id)
    sweep = planner.sweep()
    await planner.tick(sweep)
    row = await planner.row(schedule_id)
    assert (row["fires"], row["queued_fire_at"] is not None) == (1, True)
    # While the task runs, the fire waits, also for a dispatcher that has just begun to lead.
    await planner.tick()
    assert (await planner.row(schedule_id))["fires"] == 1
    await planner.yard.owner.execute(
        "UPDATE task SET status = 'SUCCESS', finished_at = now() WHERE id = $1", row["last_task_id"]
    )
    await planner.tick()
    row = await planner.row(schedule_id)
    assert (row["fires"], row["queued_fire_at"]) == (2, None)


async def test_a_fire_that_cancels_waits_for_the_end_of_the_cancelled_task(planner: Planner):
    tenant_id = await planner.yard.tenant()
    schedule_id = await planner.schedule(tenant_id, overlap="cancel_running")
    await planner.tick()
    first = (await planner.row(schedule_id))["last_task_id"]
    # It waits in the backlog, so it is cancelled at once, and the next look fires.
    await planner.yard.owner.execute("UPDATE schedule SET next_fire_at = now() WHERE id = $1", schedule_id)
    await planner.tick()
    assert await planner.yard.owner.fetchval("SELECT status FROM task WHERE id = $1", first) == "REVOKED"
    await planner.tick()
    assert (await planner.row(schedule_id))["fires"] == 2
    # One that runs is asked to end.
    await planner.start(tenant_id)
    await planner.yard.owner.execute("UPDATE schedule SET next_fire_at = now() WHERE id = $1", schedule_id)
    await planner.tick()
    row = await planner.row(schedule_id)
    asked = "SELECT cancel_requested_at IS NOT NULL FROM task WHERE id = $1"
    assert await planner.yard.owner.fetchval(asked, row["last_task_id"])
    assert (row["fires"], row["queued_fire_at"] is not None) == (2, True)


async def test_a_schedule_whose_tasks_fail_pauses_itself(planner: Planner):
    tenant_id = await planner.yard.tenant()
    since = await planner.now() - timedelta(days=1)
    schedule_id = await planner.schedule(tenant_id, pause_after_failures=2, failures_from=since)
    for _ in range(2):
        await planner.tick()
        await planner.end(tenant_id, _FAILURE)
        await planner.yard.owner.execute("UPDATE schedule SET next_fire_at = now() WHERE id = $1", schedule_id)
    await planner.tick()
    row = await planner.row(schedule_id)
    assert (row["paused_by"], row["next_fire_at"], row["fires"]) == ("failures", None, 2)
    assert row["pause_note"] == "2 tasks have failed in a row."
    assert (await planner.fires(schedule_id))[-1] == ("missed", "failures", 1)


async def test_a_tenant_without_room_has_rows_for_what_was_skipped(planner: Planner):
    tenant_id = await planner.yard.tenant()
    await planner.yard.owner.execute("UPDATE tenant SET limits = '{\"tasks_per_day\": 2}' WHERE id = $1", tenant_id)
    schedules = [await planner.schedule(tenant_id) for _ in range(5)]
    await planner.tick()
    outcomes = [await planner.fires(schedule_id) for schedule_id in schedules]
    assert outcomes == [[("fired", None, 1)]] * 2 + [[("skipped_quota", "day", 1)]] * 3
    assert await planner.is_exact(tenant_id)


async def test_a_suspended_tenant_misses_its_fires(planner: Planner):
    tenant_id = await planner.yard.tenant()
    schedule_id = await planner.schedule(tenant_id, catch_up="all")
    await planner.yard.owner.execute("UPDATE tenant SET status = 'suspended' WHERE id = $1", tenant_id)
    await planner.tick()
    assert await planner.fires(schedule_id) == [("missed", "suspended", 1)]
    assert await planner.is_exact(tenant_id)


async def test_a_schedule_that_cannot_be_fired_does_not_keep_the_others_waiting(planner: Planner):
    tenant_id = await planner.yard.tenant()
    broken = await planner.schedule(tenant_id, every_seconds=None, cron="not a cron")
    works = await planner.schedule(tenant_id)
    await planner.tick()
    assert (await planner.fires(broken), await planner.fires(works)) == ([], [("fired", None, 1)])


async def test_a_pause_at_the_moment_of_the_fire_leaves_one_outcome(planner: Planner):
    account = planner.yard.database("tq_account")
    actor = Actor("operator", "tests", None)
    for _ in range(20):
        tenant_id = await planner.yard.tenant()
        schedule_id = await planner.schedule(tenant_id)

        async def pause(tenant_id: UUID = tenant_id, schedule_id: UUID = schedule_id) -> None:
            async with account.transaction(tenant_id) as connection:
                await changes.pause(connection, actor, tenant_id, schedule_id, None)

        await asyncio.gather(planner.tick(), pause())
        row = await planner.row(schedule_id)
        assert (row["next_fire_at"], row["paused_at"] is not None) == (None, True)
        assert row["fires"] == len(await planner.fires(schedule_id))
        assert await planner.is_exact(tenant_id)
    await account.close()


async def test_a_clock_that_was_set_back_fires_no_time_again(planner: Planner):
    tenant_id = await planner.yard.tenant()
    schedule_id = await planner.schedule(tenant_id)
    await planner.tick()
    ahead = await planner.now() + timedelta(hours=5)
    # As if the clock had been five hours ahead when it fired, and somebody paused and resumed it after the correction.
    await planner.yard.owner.execute("UPDATE schedule SET last_fire_at = $2 WHERE id = $1", schedule_id, ahead)
    account = planner.yard.database("tq_account")
    async with account.transaction(tenant_id) as connection:
        actor = Actor("operator", "tests", None)
        await changes.pause(connection, actor, tenant_id, schedule_id, None)
        resumed = await changes.resume(connection, actor, tenant_id, schedule_id)
    assert resumed.next_fire_at is not None
    assert resumed.next_fire_at > ahead
    await account.close()


async def test_a_time_that_was_decided_before_is_passed_over(planner: Planner):
    tenant_id = await planner.yard.tenant()
    schedule_id = await planner.schedule(tenant_id)
    due = (await planner.row(schedule_id))["next_fire_at"]
    await planner.tick()
    await planner.yard.owner.execute("UPDATE schedule SET next_fire_at = $2 WHERE id = $1", schedule_id, due)
    await planner.tick()
    row = await planner.row(schedule_id)
    assert (row["fires"], row["next_fire_at"]) == (1, due + timedelta(hours=1))
    assert await planner.fires(schedule_id) == [("fired", None, 1)]
    assert await planner.is_exact(tenant_id)


async def test_old_fires_are_pruned_in_batches(planner: Planner):
    tenant_id = await planner.yard.tenant()
    schedule_id = await planner.schedule(tenant_id)
    await planner.yard.owner.execute(
        "INSERT INTO schedule_fire (tenant_id, schedule_id, fire_at, outcome, created_at)"
        " SELECT $1, $2, now() - n * interval '1 day', 'missed', now() - n * interval '1 day' FROM generate_series(28, 34) AS n",
        tenant_id, schedule_id,
    )  # fmt: skip
    pruned = [await due_store.prune_any_tenant(planner.finder, 30, 3, planner.fence) for _ in range(3)]
    assert pruned == [3, 2, 0]
    assert await due_store.prune_any_tenant(planner.finder, 1, 3, uuid.uuid4()) == 0
    assert len(await planner.fires(schedule_id)) == 2


async def _many(planner: Planner, tenant_id: UUID, count: int, *, late: int) -> None:
    await planner.yard.owner.execute(
        "INSERT INTO schedule (tenant_id, id, name, every_seconds, timezone, overlap, catch_up, catch_up_seconds, task, pool,"
        " payload, priority, max_attempts, time_limit_seconds, next_fire_at, starts_at)"
        " SELECT $1, gen_random_uuid(), 'n' || n, 3600, 'UTC', 'allow', 'none', 0, 'echo', 'prefork', '1', 4, 1, 900,"
        " t, t FROM date_trunc('second', now() - make_interval(secs => $3)) AS t, generate_series(1, $2) AS n",
        tenant_id, count, late,
    )  # fmt: skip


async def test_a_tenant_with_more_due_schedules_than_a_look_finds_does_not_make_others_late(planner: Planner):
    crowd = [await planner.yard.tenant() for _ in range(2)]
    for tenant_id in crowd:
        await _many(planner, tenant_id, 1_500, late=30)
    other = await planner.schedule(await planner.yard.tenant())
    await planner.tick()
    assert await planner.fires(other) == [("fired", None, 1)]
    counts = await planner.yard.owner.fetch(
        "SELECT count(*) FROM schedule_fire WHERE tenant_id = ANY($1) GROUP BY tenant_id", crowd
    )
    # The rest of the look is theirs, in equal parts.
    assert sorted(row["count"] for row in counts) == [pytest.approx(1_000, abs=1)] * 2


async def test_a_tenant_whose_rows_are_locked_does_not_keep_the_next_look_waiting(planner: Planner):
    stuck, other = await planner.yard.tenant(), await planner.yard.tenant()
    await _many(planner, stuck, 150, late=30)
    lock = await connect(planner.yard.environment["DATABASE_URL"])
    sweep = planner.sweep()
    async with lock.transaction():
        await lock.execute("SELECT FROM schedule WHERE tenant_id = $1 FOR UPDATE", stuck)
        await sweep.look()
        later = await planner.schedule(other)
        async with asyncio.timeout(4):
            while not await planner.fires(later):
                await sweep.look()
                await asyncio.sleep(0)
    await sweep.wait()
    await planner.tick(sweep)
    await lock.close()
    assert await planner.is_exact(stuck)
    fired = await planner.yard.owner.fetchval("SELECT sum(fires) FROM schedule WHERE tenant_id = $1", stuck)
    assert fired == 150


async def test_one_transaction_makes_a_bounded_number_of_tasks(planner: Planner):
    tenant_id = await planner.yard.tenant()
    due = await planner.now() - timedelta(seconds=300)
    made_up = {"every_seconds": 10, "catch_up": "all", "next_fire_at": due, "starts_at": due}
    schedules = [await planner.schedule(tenant_id, **made_up) for _ in range(8)]
    await planner.tick()
    together = await planner.yard.owner.fetch(
        "SELECT count(*) FROM task WHERE tenant_id = $1 GROUP BY xmin::text ORDER BY 1", tenant_id
    )
    assert sum(row["count"] for row in together) == 8 * 31
    assert max(row["count"] for row in together) <= 100
    assert [(await planner.row(schedule_id))["fires"] for schedule_id in schedules] == [31] * 8
    assert await planner.is_exact(tenant_id)
