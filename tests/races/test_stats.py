"""Statistics in the database: what ends, submits and the dispatcher write, counted once whatever happens in between."""

import asyncio
import bisect
import math
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import pytest

from app.core.errors import InvalidRequest
from app.db import Connection, Database, connect
from app.dispatch.stat_counter import StatCounter
from app.quotas import store as quotas_store
from app.stats import buckets, histogram, series, store
from app.stats.buckets import Bucket
from app.stats.schemas import Stats, StatsPoint
from app.tasks import store as task_store
from app.tasks import sweep_store
from app.tasks.run import end, timing
from app.tasks.run.attempts import AttemptEnd, Outcome
from tests.claims import claim_for
from tests.races.conftest import Yard
from tests.races.twins import WORKER, acting_as, twins

_WRONG: Final = {"type": "A", "message": "b"}
_COUNTS: Final = ("submitted", "succeeded", "failed", "revoked", "retried")
# The keys of the three histograms, in the bucket of times below a millisecond.
_AT_ONCE: Final = [256, 256 + 64, 256 + 128]


@pytest.fixture
async def leader(yard: Yard) -> AsyncIterator[Connection]:
    """A dispatcher's connection. What other tests have left to count is counted."""
    connection = await connect(yard.database("tq_dispatch", 1)._url)
    await yard.owner.execute("TRUNCATE worker_time")
    yield connection
    await connection.close()


@pytest.fixture
async def worker(yard: Yard) -> AsyncIterator[Database]:
    database = yard.database("tq_worker", 2)
    yield database
    await database.close()


async def _roll_up(connection: Connection, fence: UUID) -> None:
    await quotas_store.roll_up_any_tenant(connection, 5000, fence, short_attempt=timing.SHORT_ATTEMPT)


async def _read(yard: Yard, tenant_id: UUID, bucket: Bucket = Bucket.HOUR, **asked: Any) -> Stats:
    reader = yard.database("tq_api", 1)
    try:
        span = buckets.span(bucket, datetime.now(UTC) - bucket.length, None, datetime.now(UTC))
        return await series.read(reader, tenant_id, span, **asked)
    finally:
        await reader.close()


def _sum(points: list[StatsPoint]) -> dict[str, int]:
    return {name: sum(getattr(point, name) for point in points) for name in _COUNTS}


async def _counts(yard: Yard, tenant_id: UUID, bucket: Bucket = Bucket.HOUR) -> dict[str, int]:
    [all_types] = (await _read(yard, tenant_id, bucket)).items
    return {name: count for name, count in _sum(all_types.points).items() if count}


async def _ended(worker: Database, tenant_id: UUID, *outcomes: Outcome, seconds: float = 0.1) -> None:
    """End a running attempt of the tenant by each of the outcomes, all in one group."""
    claims = await claim_for(worker, tenant_id, pool="prefork", worker_id=WORKER, limit=len(outcomes))
    ends = [AttemptEnd(claim, outcome, seconds=seconds) for claim, outcome in zip(claims, outcomes, strict=True)]
    assert all(await end.end(worker, ends))


async def test_every_end_and_every_submit_is_counted_in_a_minute_an_hour_and_a_day(
    yard: Yard, leader: Connection, worker: Database
):
    tenant_id = await yard.tenant()
    await yard.tasks(tenant_id, 5)
    done = Outcome("SUCCESS", "SUCCESS", result="1")
    lost = Outcome("FAILURE", "LOST", error=_WRONG)
    again = Outcome("RETRY", "FAILURE", error=_WRONG, delay_seconds=60)
    await _ended(worker, tenant_id, done, done, Outcome("FAILURE", "FAILURE", error=_WRONG), lost, again)
    [cancelled] = await yard.tasks(tenant_id, 1, delay_seconds=60.0)
    [expired] = await yard.tasks(tenant_id, 1, expires_seconds=0.0)
    api = yard.database("tq_api", 1)
    assert await end.cancel(api, tenant_id, cancelled) == "REVOKED"
    # What is repeated, or has ended before, is not counted again.
    assert await end.cancel(api, tenant_id, cancelled) == "REVOKED"
    await api.close()
    assert await end.expire(worker, tenant_id, [expired, cancelled]) == [expired]
    await _roll_up(leader, await yard.fence())
    await StatCounter(await yard.lead(leader)).look()
    counts = {"submitted": 7, "succeeded": 2, "failed": 2, "revoked": 2, "retried": 1}
    for bucket in Bucket:
        assert await _counts(yard, tenant_id, bucket) == counts
    # A lost attempt has no times: nobody knows how long its code ran.
    times = await yard.owner.fetchval("SELECT times FROM stat WHERE tenant_id = $1 AND minutes = 1440", tenant_id)
    assert [sum(one.values()) for one in histogram.read(times)] == [4, 4, 4]
    [point] = [point for point in (await _read(yard, tenant_id)).items[0].points if point.succeeded]
    assert point.error_rate == 0.5
    assert point.run_seconds.p50 == pytest.approx(0.1, rel=histogram.MAX_ERROR + 0.01)


async def test_what_one_function_counts_for_a_task_alone_the_other_counts_for_each_of_a_group(
    yard: Yard, leader: Connection, worker: Database
):
    alone, grouped = await yard.tenant(), await yard.tenant()
    outcomes = [Outcome("SUCCESS", "SUCCESS"), Outcome("FAILURE", "FAILURE", error=_WRONG)] * 2
    for tenant_id in (alone, grouped):
        await yard.tasks(tenant_id, len(outcomes))
    for outcome in outcomes:
        await _ended(worker, alone, outcome, seconds=3.0)
    await _ended(worker, grouped, *outcomes, seconds=3.0)
    await _roll_up(leader, await yard.fence())
    assert await _counts(yard, alone) == await _counts(yard, grouped) == {"succeeded": 2, "failed": 2}


async def test_an_end_is_counted_once_when_the_roll_up_is_killed_or_repeated(
    yard: Yard, leader: Connection, worker: Database
):
    tenant_id, fence = await yard.tenant(), await yard.fence()
    await yard.tasks(tenant_id, 2)
    await _ended(worker, tenant_id, *[Outcome("SUCCESS", "SUCCESS")] * 2)
    killed = await connect(yard.database("tq_dispatch", 1)._url)
    await killed.transaction().start()
    await _roll_up(killed, fence)
    await yard.owner.fetchval("SELECT pg_terminate_backend($1)", killed.get_server_pid())
    killed.terminate()
    assert await _counts(yard, tenant_id) == {}
    for _ in range(2):
        await _roll_up(leader, fence)
        assert await _counts(yard, tenant_id) == {"succeeded": 2}


async def test_roll_ups_at_once_count_each_end_once(yard: Yard, leader: Connection, worker: Database):
    tenant_id, fence = await yard.tenant(), await yard.fence()
    await yard.tasks(tenant_id, 30)
    several = [await connect(yard.database("tq_dispatch", 1)._url) for _ in range(3)]
    done = [Outcome("SUCCESS", "SUCCESS")] * 3
    for _ in range(10):
        await asyncio.gather(_ended(worker, tenant_id, *done), *(_roll_up(one, fence) for one in several))
    await _roll_up(leader, fence)
    for one in several:
        await one.close()
    assert await _counts(yard, tenant_id) == {"succeeded": 30}


async def test_a_submit_is_counted_once_by_whoever_looks_and_however_often(yard: Yard, leader: Connection):
    tenant_id = await yard.tenant()
    await yard.tasks(tenant_id, 3)
    first, second = StatCounter(await yard.lead(leader)), StatCounter(await yard.lead(leader))
    await first.look()
    assert await first.look() == 0
    # A new leader looks at all tenants again.
    await second.look()
    assert await _counts(yard, tenant_id) == {"submitted": 3}
    await yard.tasks(tenant_id, 2)
    others = [await connect(yard.database("tq_dispatch", 1)._url) for _ in range(3)]
    fence = await yard.fence()
    added = await asyncio.gather(*(store.count_submits_any_tenant(one, [tenant_id], fence) for one in others))
    for one in others:
        await one.close()
    assert sorted(added) == [0, 0, 2]
    assert await _counts(yard, tenant_id) == {"submitted": 5}


async def test_a_submit_from_before_midnight_belongs_to_the_day_before(yard: Yard, leader: Connection):
    tenant_id = await yard.tenant()
    await yard.owner.execute(
        "INSERT INTO usage_by_task (tenant_id, day, task, tasks)"
        " SELECT $1, (now() AT TIME ZONE 'UTC')::date - ago, 'echo', 10 + ago FROM generate_series(0, 2) AS ago",
        tenant_id,
    )
    assert await store.count_submits_any_tenant(leader, [tenant_id], await yard.fence()) == 21
    rows = await yard.owner.fetch("SELECT minutes, starts_at, submitted FROM stat WHERE tenant_id = $1", tenant_id)
    midnight = Bucket.DAY.start(datetime.now(UTC))
    assert {(row["minutes"], row["starts_at"]) for row in rows if row["submitted"] == 11} == {
        (bucket.minutes, bucket.start(midnight - timedelta(minutes=1))) for bucket in Bucket
    }
    # A day that is longer ago was counted then.
    assert {row["submitted"] for row in rows} == {10, 11}


async def test_buckets_begin_in_utc_whatever_the_servers_time_zone(yard: Yard, leader: Connection, worker: Database):
    tenant_id = await yard.tenant()
    await yard.tasks(tenant_id, 1)
    await _ended(worker, tenant_id, Outcome("SUCCESS", "SUCCESS"))
    await leader.execute("SET TIME ZONE 'Asia/Kathmandu'")
    await _roll_up(leader, await yard.fence())
    await store.count_submits_any_tenant(leader, [tenant_id], await yard.fence())
    rows = await yard.owner.fetch("SELECT minutes, starts_at, submitted FROM stat WHERE tenant_id = $1", tenant_id)
    lengths = {bucket.minutes: bucket for bucket in Bucket}
    assert sorted(row["minutes"] for row in rows) == sorted(lengths)
    assert all(lengths[row["minutes"]].start(row["starts_at"]) == row["starts_at"] for row in rows)
    assert {row["submitted"] for row in rows} == {1}


_AGES: Final = {Bucket.MINUTE: timedelta(hours=48), Bucket.HOUR: timedelta(days=35), Bucket.DAY: timedelta(days=400)}


async def test_buckets_are_deleted_when_nobody_may_ask_for_them_any_longer(yard: Yard, leader: Connection):
    tenant_id, other = await yard.tenant(), await yard.tenant()
    now = await yard.owner.fetchval("SELECT now()")
    for one in (tenant_id, other):
        for bucket, kept in _AGES.items():
            assert kept == bucket.kept
            # The oldest that may be asked for, and the one before it, of two task types each.
            oldest = bucket.start(now - kept)
            await yard.owner.executemany(
                "INSERT INTO stat (tenant_id, minutes, starts_at, task) VALUES ($1, $2, $3, $4)",
                [
                    (one, bucket.minutes, start, task)
                    for start in (oldest + bucket.length, oldest - bucket.length)
                    for task in ("a", "b")
                ],
            )
    left = "SELECT minutes, min(starts_at) AS first, count(*) AS n FROM stat WHERE tenant_id = $1 GROUP BY 1"
    # A page of one row of each kind, then the rest.
    assert await sweep_store.prune_account(leader, tenant_id, 1, await yard.fence()) == 3
    assert await sweep_store.prune_account(leader, tenant_id, 500, await yard.fence()) == 3
    assert {row["minutes"]: (row["first"], row["n"]) for row in await yard.owner.fetch(left, tenant_id)} == {
        bucket.minutes: (bucket.start(now - kept) + bucket.length, 2) for bucket, kept in _AGES.items()
    }
    assert [row["n"] for row in await yard.owner.fetch(left, other)] == [4, 4, 4]


@pytest.mark.parametrize(
    ("full_since", "full_until", "limited"),
    [(None, None, 0), (60, 0, 20), (60, 5, 15), (8, 5, 3), (8, 0, 8), (60, 30, 0)],
    ids=["never", "all the time", "until 5 s ago", "for 3 s", "for the last 8 s", "before it was due"],
)
async def test_a_wait_is_split_by_the_time_at_the_limit(
    yard: Yard, full_since: float | None, full_until: float | None, limited: float
):
    connection = await connect(yard.environment["DATABASE_URL"])
    try:
        async with twins(connection) as pair:
            # Alone, and in a group.
            for twin, tenants in zip(pair, ([], [uuid.uuid4()]), strict=True):
                now = await twin.now()
                times = {"full_since": full_since, "full_until": full_until}
                known = {name: now - timedelta(seconds=ago) for name, ago in times.items() if ago is not None}
                await twin.open(running_limit=2, running=1, **known)
                await twin.waiting(due_at=now - timedelta(seconds=20), seconds=-20)
                async with acting_as(connection, "tq_worker"):
                    wanted = dict.fromkeys([twin.tenant_id, *tenants], 1)
                    [claim] = await task_store.claim_any_tenant(
                        connection, wanted, pool="prefork", worker_id=WORKER, key=uuid.uuid4()
                    )
                row = await connection.fetchrow("SELECT * FROM attempt WHERE task_id = $1", claim["task_id"])
                assert row is not None
                assert (row["waited_seconds"], row["limited_seconds"]) == (20, limited)
    finally:
        await connection.close()


@pytest.mark.parametrize("group", [1, 2])
async def test_the_time_at_the_limit_ends_with_a_free_slot_and_goes_on_when_it_is_taken(
    yard: Yard, worker: Database, group: int
):
    tenant_id = await yard.tenant(running_limit=group)
    await yard.tasks(tenant_id, 4 * group)
    place = "SELECT full_since, full_until FROM tenant_slots WHERE tenant_id = $1"
    claim = {"pool": "prefork", "worker_id": WORKER, "limit": group}
    claims = await claim_for(worker, tenant_id, **claim)
    since, until = await yard.owner.fetchrow(place, tenant_id)
    assert until is None
    done = Outcome("SUCCESS", "SUCCESS")
    await end.end(worker, [AttemptEnd(one, done, seconds=0.1) for one in claims])
    same, until = await yard.owner.fetchrow(place, tenant_id)
    assert same == since < until
    claims = await claim_for(worker, tenant_id, **claim)
    moved, now_full = await yard.owner.fetchrow(place, tenant_id)
    # The start has moved by the time in which a slot was free.
    started = await yard.owner.fetchval("SELECT max(started_at) FROM attempt WHERE tenant_id = $1", tenant_id)
    assert (moved - since, now_full) == (started - until, None)
    await end.end(worker, [AttemptEnd(one, done, seconds=0.1) for one in claims])
    # After a longer time a new period begins.
    gap = timedelta(seconds=timing.LIMIT_GAP + 1)
    await yard.owner.execute(
        "UPDATE tenant_slots SET full_until = now() - $2::interval WHERE tenant_id = $1", tenant_id, gap
    )
    await claim_for(worker, tenant_id, **claim)
    started = await yard.owner.fetchval("SELECT max(started_at) FROM attempt WHERE tenant_id = $1", tenant_id)
    assert tuple(await yard.owner.fetchrow(place, tenant_id)) == (started, None)


async def test_a_tenant_at_its_limit_is_marked_once_and_for_every_length(yard: Yard, leader: Connection):
    full, just_left, left, never = [await yard.tenant() for _ in range(4)]
    change = "UPDATE tenant_slots SET full_since = now() - interval '1 hour', full_until = {} WHERE tenant_id = $1"
    await yard.owner.execute(change.format("NULL"), full)
    await yard.owner.execute(change.format("now() - interval '10 seconds'"), just_left)
    await yard.owner.execute(change.format("now() - interval '50 seconds'"), left)
    fence = await yard.fence()
    await store.mark_limits_any_tenant(leader, 30, fence)
    marked = {}
    for one in (full, just_left, left, never):
        for bucket in Bucket:
            [all_types] = (await _read(yard, one, bucket)).items
            marked[one, bucket] = any(point.limit_reached for point in all_types.points)
    assert {key[0] for key, is_marked in marked.items() if is_marked} == {full, just_left}
    assert [marked[full, bucket] for bucket in Bucket] == [True] * 3
    # It is no task type of its own.
    assert (await _read(yard, full, by_task=True)).items == []
    await yard.owner.execute("UPDATE tenant_slots SET full_until = now() - interval '1 hour'")
    assert await store.mark_limits_any_tenant(leader, 30, fence) == 0


async def test_who_leads_no_more_counts_nothing(yard: Yard, leader: Connection):
    tenant_id = await yard.tenant()
    await yard.tasks(tenant_id, 1)
    await yard.owner.execute("UPDATE tenant_slots SET full_until = NULL WHERE tenant_id = $1", tenant_id)
    stopped = uuid.uuid4()
    assert await store.count_submits_any_tenant(leader, [tenant_id], stopped) == 0
    assert await store.mark_limits_any_tenant(leader, 30, stopped) == 0
    assert await yard.owner.fetchval("SELECT count(*) FROM stat WHERE tenant_id = $1", tenant_id) == 0


async def _store(yard: Yard, tenant_id: UUID, tasks: list[str], start: datetime, bucket: Bucket = Bucket.HOUR) -> None:
    await yard.owner.executemany(
        "INSERT INTO stat (tenant_id, minutes, starts_at, task, submitted, succeeded, times)"
        " VALUES ($1, $2, $3, $4, 2, 1, $5)",
        [(tenant_id, bucket.minutes, start, task, _AT_ONCE) for task in tasks],
    )


async def test_task_types_are_told_apart_added_up_or_chosen(yard: Yard):
    tenant_id, other = await yard.tenant(), await yard.tenant()
    this_hour = Bucket.HOUR.start(datetime.now(UTC))
    await _store(yard, tenant_id, ["a", "b"], this_hour)
    await _store(yard, other, ["a", "c"], this_hour)
    by_task = await _read(yard, tenant_id, by_task=True)
    assert [(one.task, _sum(one.points)["submitted"]) for one in by_task.items] == [("a", 2), ("b", 2)]
    [all_types] = (await _read(yard, tenant_id)).items
    assert (all_types.task, _sum(all_types.points)["submitted"]) == (None, 4)
    assert all_types.points[-1].wait_seconds.platform.p99 == 0
    [one] = (await _read(yard, tenant_id, task="b")).items
    assert (one.task, _sum(one.points)["submitted"]) == ("b", 2)
    # Nothing of another tenant, also not where it alone has the type.
    assert _sum((await _read(yard, tenant_id, task="c")).items[0].points) == dict.fromkeys(_COUNTS, 0)


async def test_the_points_of_all_task_types_together_are_limited(yard: Yard):
    tenant_id = await yard.tenant()
    await _store(yard, tenant_id, [f"t{n}" for n in range(100)], Bucket.HOUR.start(datetime.now(UTC)))
    now = datetime.now(UTC)
    span = buckets.span(Bucket.HOUR, now - timedelta(hours=20), None, now)
    reader = yard.database("tq_api", 1)
    try:
        with pytest.raises(InvalidRequest, match="at most 1500 points, and this one would have 2100"):
            await series.read(reader, tenant_id, span, by_task=True)
        assert len((await series.read(reader, tenant_id, span)).items[0].points) == 21
    finally:
        await reader.close()


async def test_the_database_puts_times_into_the_buckets_that_estimates_know(yard: Yard):
    bounds = [histogram.bound(bucket) for bucket in range(1, histogram.LAST + 1)]
    # A hair beside each bound, where rounding does not decide.
    times = [time * near for time in bounds for near in (1 - 1e-9, 1 + 1e-9)] + [0.0, 0.0005, 1e12, math.inf]
    found = await yard.owner.fetch("SELECT stat_bucket(s) AS bucket FROM unnest($1::float8[]) AS s", times)
    assert [row["bucket"] for row in found] == [bisect.bisect_right(bounds, time) for time in times]
    # A clock that was set back, and an attempt whose time nobody knows.
    assert await yard.owner.fetchval("SELECT ARRAY[stat_bucket(-1), stat_bucket(NULL)]") == [0, 0]
