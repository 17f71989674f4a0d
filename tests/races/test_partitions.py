"""Rows whose month is missing are served from DEFAULT, and move into their month, by whoever looks first; nothing is lost."""

import asyncio
import logging
import os
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
from redis.asyncio import Redis

from app.core import ids
from app.core.errors import Unavailable
from app.db import connect
from app.dispatch.loop import Sweeps
from app.dispatch.postgres_contact import PostgresContact
from app.events import store as event_store
from app.tasks import partitions, sweep_store
from app.tasks.run.attempts import Outcome
from tests import operator_commands
from tests.claims import claim_for
from tests.conftest import Servers, role_url
from tests.races.conftest import Yard, finish

TABLES = ("task", "attempt", "result", "task_log")
"""The tables with months; event has days."""
_NAME = "partitions"


@pytest.fixture(scope="module")
def settings(environment: dict[str, str]) -> dict[str, str]:
    """Return the settings of a database whose months the tests take away."""
    made = environment | {"DATABASE_URL": f"{environment['DATABASE_URL'].rpartition('/')[0]}/{_NAME}"}
    asyncio.run(_create(environment["DATABASE_URL"]))
    for command in ("bootstrap", "migrate"):
        _admin(made, command)
    return made


async def _create(url: str) -> None:
    owner = await asyncpg.connect(url)
    try:
        await owner.execute(f"CREATE DATABASE {_NAME}")
    finally:
        await owner.close()


def _admin(settings: dict[str, str], command: str) -> None:
    done = operator_commands.run(os.environ | settings, command)
    assert done.returncode == 0, done.stderr


@pytest.fixture
async def bare(settings: dict[str, str]) -> AsyncIterator[Yard]:
    """A database without one month: whatever is stored lies in DEFAULT."""
    owner = await asyncpg.connect(settings["DATABASE_URL"])
    try:
        await owner.execute("TRUNCATE tenant, event, attempt, result, task_log, worker_time CASCADE")
        found = f"SELECT relname FROM pg_class WHERE relname ~ '^({'|'.join(TABLES)}|event)_p[0-9]+$'"
        for row in await owner.fetch(found):
            await owner.execute(f"DROP TABLE {row['relname']}")
        yield Yard(owner, settings)
    finally:
        await owner.close()


def _id(days: float = 0) -> UUID:
    moment = datetime.now(UTC) + timedelta(days=days)
    return UUID(int=ids.first_id_at(moment.timestamp()).int | uuid.uuid4().int >> 64)


async def _store(yard: Yard, days: float = 0, count: int = 1) -> list[UUID]:
    """Store tasks with an attempt and a result, whose ids are so many days from now."""
    tenant_id, made = await yard.tenant(), [_id(days) for _ in range(count)]
    await yard.owner.execute(
        "INSERT INTO task (tenant_id, id, task, pool, priority, payload, due_at, max_attempts, time_limit_seconds, status,"
        " attempt, finished_at, created_at) SELECT $1, id, 'echo', 'prefork', 4, '1', now(), 3, 9, 'SUCCESS', 1,"
        " now() + $3::interval, now() + $3::interval FROM unnest($2::uuid[]) AS id",
        tenant_id, made, timedelta(days=days),
    )  # fmt: skip
    await yard.owner.execute(
        "INSERT INTO attempt (tenant_id, task_id, attempt, status, claim_token, worker_id, deadline_at, finished_at)"
        " SELECT $1, id, 1, 'SUCCESS', id, id, now(), now() FROM unnest($2::uuid[]) AS id",
        tenant_id, made,
    )  # fmt: skip
    await yard.owner.execute(
        "INSERT INTO result (tenant_id, task_id, result) SELECT $1, id, '1' FROM unnest($2::uuid[]) AS id",
        tenant_id,
        made,
    )
    await yard.owner.execute(
        "INSERT INTO task_log (tenant_id, task_id, attempt, seq, at, level, message)"
        " SELECT $1, id, 1, 1, now(), 'INFO', 'm' FROM unnest($2::uuid[]) AS id",
        tenant_id,
        made,
    )
    return made


async def _places(yard: Yard, task_ids: list[UUID]) -> dict[str, set[str]]:
    """Return in which partitions the rows of these tasks lie."""
    keys = {"task": "id"}
    found = {}
    for table in TABLES:
        rows = await yard.owner.fetch(
            f"SELECT tableoid::regclass::text AS place FROM {table} WHERE {keys.get(table, 'task_id')} = ANY($1)",
            task_ids,
        )
        assert len(rows) == len(task_ids), table
        found[table] = {row["place"] for row in rows}
    return found


def _month(days: float) -> str:
    return f"{datetime.now(UTC) + timedelta(days=days):%Y%m}"


@pytest.mark.parametrize("role", ["tq_dispatch", "tq_submit"])
async def test_rows_of_this_month_of_the_next_ones_and_of_past_ones_move_into_their_month(bare: Yard, role: str):
    stored = {days: await _store(bare, days, 3) for days in (-400, -70, 0, 31, 70, 300)}
    connection = await connect(role_url(bare.environment, role))
    try:
        assert await partitions.keep_any_tenant(connection) == 3 * len(TABLES) * len(stored)
        assert await partitions.keep_any_tenant(connection) == 0
    finally:
        await connection.close()
    for days, task_ids in stored.items():
        assert await _places(bare, task_ids) == {table: {f"{table}_p{_month(days)}"} for table in TABLES}
    for table in TABLES:
        assert await bare.owner.fetchval(f"SELECT count(*) FROM {table}_default") == 0


async def test_what_was_moved_is_kept_as_every_month_is(bare: Yard):
    [task_id] = await _store(bare, 70)
    await partitions.keep_any_tenant(bare.owner)
    with pytest.raises(asyncpg.PostgresError, match="never changes"):
        await bare.owner.execute("UPDATE task SET status = 'PENDING' WHERE id = $1", task_id)
    await bare.owner.execute("DELETE FROM tenant")
    assert await bare.owner.fetchval("SELECT count(*) FROM task") == 0
    name = f"task_p{_month(70)}"
    indexes = "SELECT count(*) FROM pg_index WHERE indrelid = $1::text::regclass"
    assert await bare.owner.fetchval(indexes, name) == await bare.owner.fetchval(indexes, "task_default")
    options = "SELECT reloptions FROM pg_class WHERE oid = $1::text::regclass"
    assert await bare.owner.fetchval(options, name) == await bare.owner.fetchval(options, f"task_p{_month(0)}")


async def test_a_large_default_becomes_the_partition_of_its_months_and_rows_of_others_move_on(bare: Yard):
    await bare.owner.execute("SELECT make_partitions(0, 0)")
    many, gap, few = await _store(bare, 65, 20), await _store(bare, 125, 2), await _store(bare, -70)
    # Much more than 4 MB, which does not compress.
    await bare.owner.execute(
        "INSERT INTO result SELECT k.tenant_id, (left(k.id::text, 13) || right(gen_random_uuid()::text, 23))::uuid,"
        " to_jsonb((SELECT string_agg(gen_random_uuid()::text, '') FROM generate_series(1, 2000 + n)))"
        " FROM task k, generate_series(1, 20) AS n WHERE k.id = ANY($1)",
        many,
    )
    large = await bare.owner.fetchval("SELECT 'result_default'::regclass::oid")
    before = await bare.owner.fetchval("SELECT count(*) FROM result")
    assert await partitions.keep_any_tenant(bare.owner) > 0
    assert await bare.owner.fetchval("SELECT count(*) FROM result") == before
    # It is named for its last month, so that it is dropped when that is over, and spans the months between.
    assert (await _places(bare, many + gap))["result"] == {f"result_p{_month(125)}"}
    assert await bare.owner.fetchval(f"SELECT 'result_p{_month(125)}'::regclass::oid") == large
    assert (await _places(bare, few))["result"] == {f"result_p{_month(-70)}"}
    assert (await _places(bare, [*many, *gap, *few]))["task"] == {f"task_p{_month(days)}" for days in (65, 125, -70)}
    assert await bare.owner.fetchval("SELECT count(*) FROM result_default") == 0
    assert await partitions.keep_any_tenant(bare.owner) == 0
    assert (await _places(bare, await _store(bare, 95)))["result"] == {f"result_p{_month(125)}"}


async def test_an_id_of_a_year_far_away_stays_in_default_and_harms_nobody(bare: Yard):
    far = await _store(bare, 4000)
    near = await _store(bare, 0)
    await partitions.keep_any_tenant(bare.owner)
    assert (await _places(bare, far))["task"] == {"task_default"}
    assert (await _places(bare, near))["task"] == {f"task_p{_month(0)}"}


async def test_submits_claims_and_ends_go_on_while_rows_move(bare: Yard):
    tenant_id = await bare.tenant()
    submit, worker = bare.database("tq_submit"), bare.database("tq_worker")
    stopping, ended = asyncio.Event(), []

    async def submit_again_and_again() -> int:
        count = 0
        while not stopping.is_set():
            count += len(await bare.tasks(tenant_id, 5))
        return count

    async def run_again_and_again() -> None:
        while not stopping.is_set():
            for claim in await claim_for(worker, tenant_id, pool="prefork", worker_id=uuid.uuid4(), limit=5):
                await finish(worker, claim, Outcome("SUCCESS", "SUCCESS", result="1"))
                ended.append(claim.task_id)

    try:
        async with asyncio.TaskGroup() as group:
            submitting = [group.create_task(submit_again_and_again()) for _ in range(2)]
            running = [group.create_task(run_again_and_again()) for _ in range(2)]
            while len(ended) < 10:  # noqa: ASYNC110 the others' work
                await asyncio.sleep(0.01)
            assert await partitions.keep_any_tenant(bare.owner, attempts=100) > 0
            after = len(ended)
            while len(ended) < after + 10:  # noqa: ASYNC110 the others' work
                await asyncio.sleep(0.01)
            stopping.set()
        submitted = sum([await one for one in submitting])
        await asyncio.gather(*running)
    finally:
        await submit.close()
        await worker.close()
    assert len(ended) == len(set(ended))
    assert await bare.owner.fetchval("SELECT count(*) FROM task") == submitted
    assert await bare.owner.fetchval("SELECT count(*) FROM task WHERE status = 'SUCCESS'") == len(ended)
    assert await bare.owner.fetchval("SELECT count(*) FROM task_default") == 0


async def test_a_table_that_is_in_use_is_waited_for_briefly_and_the_others_are_made(bare: Yard):
    await _store(bare)
    other = await asyncpg.connect(bare.environment["DATABASE_URL"])
    try:
        async with other.transaction():
            await other.execute("LOCK TABLE attempt IN ACCESS SHARE MODE")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await partitions.keep_any_tenant(bare.owner, attempts=1)
        assert await bare.owner.fetchval("SELECT count(*) FROM result_default") == 0
        assert await bare.owner.fetchval("SELECT count(*) FROM attempt_default") == 1
        assert await partitions.keep_any_tenant(bare.owner) == 1
    finally:
        await other.close()


@pytest.fixture
async def redis(servers: Servers) -> AsyncIterator[Redis]:
    client = Redis.from_url(servers.valkey.url.removesuffix("/0") + "/8")
    await client.flushdb()
    yield client
    await client.flushdb()
    await client.aclose()


async def test_the_leader_lives_moves_the_rows_and_they_are_found_by_claims_and_by_retention(bare: Yard, redis: Redis):
    tenant_id, old = await bare.tenant(), await _store(bare, -3700)
    waiting = await bare.tasks(tenant_id, 2)
    worker = bare.database("tq_worker")
    connection = await connect(role_url(bare.environment, "tq_dispatch"))
    try:
        lead = await bare.lead(connection)
        await Sweeps(lead, worker, redis, PostgresContact()).tick()
        assert (await _places_of_tasks(bare, waiting)) == {f"task_p{_month(0)}"}
        claimed = await claim_for(worker, tenant_id, pool="prefork", worker_id=uuid.uuid4(), limit=9)
        assert sorted(claim.task_id for claim in claimed) == sorted(waiting)
        owner_of_old = await bare.owner.fetchval("SELECT tenant_id FROM task WHERE id = $1", old[0])
        assert await sweep_store.prune(connection, owner_of_old, timedelta(days=3650), 10, lead.token) in {0, 1}
        assert await bare.owner.fetchval("SELECT count(*) FROM task WHERE id = $1", old[0]) == 0
        assert await sweep_store.drop_partitions_any_tenant(connection, timedelta(days=3650), lead.token) == len(TABLES)
    finally:
        await worker.close()
        await connection.close()
    assert await bare.owner.fetchval("SELECT to_regclass($1)", f"task_p{_month(-3700)}") is None


async def _places_of_tasks(yard: Yard, task_ids: list[UUID]) -> set[str]:
    rows = await yard.owner.fetch("SELECT tableoid::regclass::text AS place FROM task WHERE id = ANY($1)", task_ids)
    return {row["place"] for row in rows}


async def _erase(yard: Yard, task_ids: list[UUID]) -> None:
    """Delete tasks with their tenants. What has no foreign key to its tenant has no cascade."""
    for table in TABLES[1:]:
        await yard.owner.execute(f"DELETE FROM {table} WHERE task_id = ANY($1)", task_ids)
    await yard.owner.execute("DELETE FROM tenant WHERE id IN (SELECT tenant_id FROM task WHERE id = ANY($1))", task_ids)


async def test_a_month_is_dropped_when_it_is_empty_and_past_and_not_before(bare: Yard):
    kept, gone = await _store(bare, -200), await _store(bare, -300)
    await partitions.keep_any_tenant(bare.owner)
    fence = await bare.fence()
    await _erase(bare, gone)
    assert await sweep_store.drop_partitions_any_tenant(bare.owner, timedelta(days=90), fence) == len(TABLES)
    assert await bare.owner.fetchval("SELECT to_regclass($1)", f"task_p{_month(-300)}") is None
    # Not empty; and this month and the next are not past.
    assert (await _places(bare, kept))["task"] == {f"task_p{_month(-200)}"}
    assert await bare.owner.fetchval("SELECT to_regclass($1)", f"result_p{_month(0)}") is not None


async def test_a_busy_month_is_left_for_the_next_time(bare: Yard):
    gone = await _store(bare, -300)
    await partitions.keep_any_tenant(bare.owner)
    fence = await bare.fence()
    await _erase(bare, gone)
    other = await asyncpg.connect(bare.environment["DATABASE_URL"])
    try:
        async with other.transaction():
            await other.execute(f"LOCK TABLE task_p{_month(-300)} IN ACCESS SHARE MODE")
            assert (
                await sweep_store.drop_partitions_any_tenant(bare.owner, timedelta(days=90), fence) == len(TABLES) - 1
            )
        assert await sweep_store.drop_partitions_any_tenant(bare.owner, timedelta(days=90), fence) == 1
    finally:
        await other.close()


async def _event(yard: Yard, tenant_id: UUID, days: float, *, webhook: bool = False) -> int:
    """Write an event so many days from now; return its number."""
    seq: int = await yard.owner.fetchval(
        "UPDATE tenant_slots SET event_seq = event_seq + 1, webhook_seq = CASE WHEN $2 THEN event_seq + 1 ELSE webhook_seq END"
        " WHERE tenant_id = $1 RETURNING event_seq",
        tenant_id, webhook,
    )  # fmt: skip
    await yard.owner.execute(
        "INSERT INTO event (tenant_id, seq, type, subject, attempt, created_at, webhook_seq)"
        " VALUES ($1, $2::bigint, 1, gen_random_uuid(), 1, now() + $3::interval, CASE WHEN $4 THEN $2::bigint END)",
        tenant_id, seq, timedelta(days=days), webhook,
    )  # fmt: skip
    return seq


async def _days_of_events(yard: Yard, tenant_id: UUID) -> list[str]:
    rows = await yard.owner.fetch(
        "SELECT tableoid::regclass::text AS place FROM event WHERE tenant_id = $1 ORDER BY created_at", tenant_id
    )
    return [row["place"] for row in rows]


def _day(days: float) -> str:
    return f"event_p{datetime.now(UTC) + timedelta(days=days):%Y%m%d}"


async def test_seven_days_of_events_are_made_ahead_and_events_without_their_day_move_into_it(bare: Yard):
    tenant_id = await bare.tenant()
    for days in (-40, -1, 0, 3, 9):
        await _event(bare, tenant_id, days)
    assert await _days_of_events(bare, tenant_id) == ["event_default"] * 5
    assert await partitions.keep_any_tenant(bare.owner) == 5
    assert await _days_of_events(bare, tenant_id) == [_day(days) for days in (-40, -1, 0, 3, 9)]
    made = await bare.owner.fetch(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'event'::regclass"
    )
    assert {row["name"] for row in made} == {_day(days) for days in (-40, -1, *range(8), 9)} | {"event_default"}


async def test_a_large_default_becomes_the_partition_of_its_days(bare: Yard):
    tenant_id = await bare.tenant()
    # More than 4 MB, which are not copied.
    await bare.owner.execute(
        "INSERT INTO event (tenant_id, seq, type, subject, attempt, created_at)"
        " SELECT $1, n, 1, gen_random_uuid(), 1, now() - interval '2 days' + n % 2 * interval '1 day'"
        " FROM generate_series(1, 60000) AS n",
        tenant_id,
    )
    large = await bare.owner.fetchval("SELECT 'event_default'::regclass::oid")
    await partitions.keep_any_tenant(bare.owner)
    assert await bare.owner.fetchval("SELECT $1::text::regclass::oid", _day(-1)) == large
    assert await bare.owner.fetchval("SELECT count(*) FROM ONLY event_default") == 0
    assert await bare.owner.fetchval("SELECT count(*) FROM event WHERE created_at < now()") == 60_000


async def test_days_of_events_are_dropped_after_the_longest_event_hours_of_any_tenant(bare: Yard):
    tenant_id, fence = await bare.tenant(), await bare.fence()
    for days in (-45, -32, -29, 0):
        await _event(bare, tenant_id, days)
    await partitions.keep_any_tenant(bare.owner)
    # Whatever the caller asks for, what a tenant may read is kept: 720 hours, or more by an override.
    await bare.owner.execute("UPDATE tenant SET limits = '{\"event_hours\": 960}' WHERE id = $1", tenant_id)
    assert await event_store.drop_days_any_tenant(bare.owner, timedelta(), uuid.uuid4()) == 0
    assert await event_store.drop_days_any_tenant(bare.owner, timedelta(), fence) == 1
    assert await _days_of_events(bare, tenant_id) == [_day(days) for days in (-32, -29, 0)]
    await bare.owner.execute("UPDATE tenant SET limits = '{}' WHERE id = $1", tenant_id)
    assert await event_store.drop_days_any_tenant(bare.owner, timedelta(days=40), fence) == 0
    assert await event_store.drop_days_any_tenant(bare.owner, timedelta(hours=720), fence) == 1
    assert await _days_of_events(bare, tenant_id) == [_day(days) for days in (-29, 0)]


async def test_a_day_stays_until_its_webhooks_have_their_deliveries_and_while_it_is_busy(bare: Yard):
    tenant_id, fence = await bare.tenant(), await bare.fence()
    seq = await _event(bare, tenant_id, -40, webhook=True)
    await _event(bare, tenant_id, -39)
    await partitions.keep_any_tenant(bare.owner)
    # The other day has no webhook.
    assert await event_store.drop_days_any_tenant(bare.owner, timedelta(days=31), fence) == 1
    assert await _days_of_events(bare, tenant_id) == [_day(-40)]
    await bare.owner.execute("INSERT INTO webhook_cursor (tenant_id, seq) VALUES ($1, $2)", tenant_id, seq)
    other = await asyncpg.connect(bare.environment["DATABASE_URL"])
    try:
        async with other.transaction():
            await other.execute(f"LOCK TABLE {_day(-40)} IN ACCESS SHARE MODE")
            assert await event_store.drop_days_any_tenant(bare.owner, timedelta(days=31), fence) == 0
        assert await event_store.drop_days_any_tenant(bare.owner, timedelta(days=31), fence) == 1
    finally:
        await other.close()


async def test_a_task_whose_webhook_has_no_delivery_yet_is_not_pruned(bare: Yard):
    [hooked], [plain] = await _store(bare, -200), await _store(bare, -200)
    await bare.owner.execute("ALTER TABLE task DISABLE TRIGGER task_terminal")
    await bare.owner.execute("UPDATE task SET webhook_url = 'https://a.example.com/' WHERE id = $1", hooked)
    await bare.owner.execute("ALTER TABLE task ENABLE TRIGGER task_terminal")
    tenants = {
        task_id: await bare.owner.fetchval("SELECT tenant_id FROM task WHERE id = $1", task_id)
        for task_id in (hooked, plain)
    }
    seqs = {task_id: await _event(bare, tenant_id, -200, webhook=True) for task_id, tenant_id in tenants.items()}
    fence = await bare.fence()

    async def prune(task_id: UUID) -> int:
        return await sweep_store.prune(bare.owner, tenants[task_id], timedelta(days=100), 10, fence)

    assert [await prune(hooked), await prune(plain)] == [0, 1]
    await bare.owner.execute(
        "INSERT INTO webhook_cursor (tenant_id, seq) VALUES ($1, $2)", tenants[hooked], seqs[hooked]
    )
    assert await prune(hooked) == 1


async def test_migrate_makes_the_months_of_a_schema_that_is_the_newest_already(bare: Yard):
    stored = await _store(bare)
    _admin(bare.environment, "migrate")
    assert await _places(bare, stored) == {table: {f"{table}_p{_month(0)}"} for table in TABLES}
    next_month = f"{(datetime.now(UTC).replace(day=1) + timedelta(days=31)):%Y%m}"
    assert await bare.owner.fetchval("SELECT to_regclass($1)", f"task_p{next_month}") is not None


async def test_a_role_that_keeps_no_months_may_not(bare: Yard):
    connection = await connect(role_url(bare.environment, "tq_api"))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT * FROM partition_step('task', 1)")
    finally:
        await connection.close()


@pytest.mark.parametrize("name", ["tenant", "task; DROP TABLE tenant", "task_default"])
async def test_only_a_table_with_months_has_months(bare: Yard, name: str):
    connection = await connect(role_url(bare.environment, "tq_submit"))
    try:
        with pytest.raises(asyncpg.PostgresError, match="no table with months or days"):
            await connection.fetch("SELECT * FROM partition_step($1, 1)", name)
        await connection.fetch("SELECT * FROM partition_step('task', 1000)")
        for _ in range(20):
            await connection.fetch("SELECT * FROM partition_step('task', 1000)")
    finally:
        await connection.close()
    assert await bare.owner.fetchval("SELECT count(*) FROM pg_inherits WHERE inhparent = 'task'::regclass") == 14


async def test_an_api_keeps_the_months_and_goes_on_while_it_cannot(bare: Yard, monkeypatch: pytest.MonkeyPatch, caplog):
    stored, tries = await _store(bare), []

    async def connect_at_the_second_try(_: str) -> object:
        tries.append(1)
        if len(tries) == 1:
            raise Unavailable
        return await connect(role_url(bare.environment, "tq_submit"))

    monkeypatch.setattr(partitions, "role_url", lambda _: "")
    monkeypatch.setattr(partitions, "connect", connect_at_the_second_try)
    caplog.set_level(logging.INFO)
    keeping = asyncio.create_task(partitions.keep_as_submitter())
    try:
        async with asyncio.timeout(30):
            # The row has moved a moment before that is logged.
            while not any(record.message == "a partition was made" for record in caplog.records):  # noqa: ASYNC110 a log
                await asyncio.sleep(0.05)
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])
    assert (await _places_of_tasks(bare, stored)) == {f"task_p{_month(0)}"}
    [failed] = [record for record in caplog.records if record.message == "a duty has failed"]
    assert (failed.duty, failed.failures) == ("partitions", 1)
    assert any(record.rows_moved == 1 for record in caplog.records if record.message == "a partition was made")
