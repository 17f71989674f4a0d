"""What a statement reads does not grow with the tenant: plans that were made for an empty table hold for a full one."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.admin import store as admin_store
from app.core import ids
from app.db import Connection, Database
from app.dispatch import slot_store
from app.events import store as event_store
from app.events.ask import Ask
from app.events.cursor import NOW, Position
from app.monitoring import service_store
from app.quotas import store as quotas_store
from app.quotas.schemas import Demand
from app.schedules import due_store
from app.schedules import store as schedule_store
from app.task_errors import store as error_store
from app.tasks import bulk_store, change_store, log_store, store, sweep_store
from app.tasks.change_store import WaitingChange
from app.tasks.read import error_store as error_links
from app.tasks.read import list_store
from app.tasks.read import store as read_store
from app.tasks.read.task_filter import TaskFilter
from app.tasks.run import cancellation
from app.tasks.run.attempts import AttemptEnd, Outcome
from app.tasks.run.end import ManyCancelled, cancel, cancel_many, end, expire
from app.tasks.run.log_lines import LogLine
from app.tasks.selection import SelectedPage, TaskSelection
from app.tenants import plans
from app.webhooks import attempt_store, deleted_endpoint_store, endpoint_state_store, repair_store, url_key
from app.webhooks import store as webhook_store
from app.webhooks.history import store as delivery_store
from app.webhooks.history.store import DeliveryFilter
from app.webhooks.repair_store import DeliverySelection
from tests.claims import claim_for
from tests.races.conftest import Yard, finish, new_task, wanted

ROWS = 10_000
# After so many executions a prepared statement gets the plan that it keeps.
EXECUTIONS = 8
STRANGERS = 40
# A call that reads too much is repeated so often before it counts.
RETRIES = 30

Call = Callable[["Deep"], Awaitable[Any]]


@dataclass
class Deep:
    """A tenant, and one connection for each role, so that a plan once made is used again."""

    yard: Yard
    tenant_id: UUID
    databases: dict[str, Database] = field(default_factory=dict)
    is_planned_while_empty: bool = False
    schedule_id: UUID | None = None
    """The schedule of a test about schedules."""

    def database(self, role: str) -> Database:
        if role not in self.databases:
            self.databases[role] = self.yard.database(role, 1)
        return self.databases[role]

    async def pages(self, role: str, call: Call) -> int:
        """Return how many pages of tables and indexes one call has touched."""
        before = await self._touched(role)
        await call(self)
        return await self._touched(role) - before

    async def _touched(self, role: str) -> int:
        async with self.database(role).connection() as connection:
            await connection.execute("SELECT pg_stat_force_next_flush()")
            pid = await connection.fetchval("SELECT pg_backend_pid()")
        return int(await self.yard.owner.fetchval("SELECT sum(coalesce(hits, 0)) FROM pg_stat_get_backend_io($1)", pid))

    async def schedule(self) -> UUID:
        """Return a schedule that is due; it is made once."""
        if self.schedule_id is None:
            self.schedule_id = ids.new_id()
            await self._schedules([self.schedule_id], "now()")
        await self.yard.owner.execute(
            "UPDATE schedule SET next_fire_at = now(), pause_after_failures = 3 WHERE id = $1", self.schedule_id
        )
        return self.schedule_id

    async def _schedules(self, schedule_ids: list[UUID], next_fire_at: str) -> None:
        await self.yard.owner.execute(
            "INSERT INTO schedule (tenant_id, id, name, cron, timezone, overlap, catch_up, catch_up_seconds, task, pool,"
            " payload, priority, max_attempts, time_limit_seconds, next_fire_at)"
            " SELECT $1, id, 's' || replace(id::text, '-', ''), '@daily', 'UTC', 'skip', 'none', 0, 'echo', 'prefork',"
            f" '1', 4, 1, 900, {next_fire_at} FROM unnest($2::uuid[]) AS id",
            self.tenant_id, schedule_ids,
        )  # fmt: skip

    async def _fill_schedules(self) -> None:
        await self._schedules([ids.new_id() for _ in range(ROWS // 2)], "now() + interval '1 day'")
        await self.yard.owner.execute(
            "INSERT INTO schedule_fire (tenant_id, schedule_id, fire_at, outcome, task_id)"
            " SELECT $1, $2, now() - n * interval '1 minute', 'fired', gen_random_uuid()"
            " FROM generate_series(1, $3::integer) AS n",
            self.tenant_id, self.schedule_id, ROWS // 2,
        )  # fmt: skip

    async def fill(self) -> None:
        """Give the tenant many tasks: half of them wait, half have ended. With a schedule, also many of them and fires."""
        if self.schedule_id is not None:
            await self._fill_schedules()
        await self.yard.tasks(self.tenant_id, ROWS // 2)
        done = await self.yard.tasks(self.tenant_id, ROWS // 2)
        owner = self.yard.owner
        await owner.execute("DELETE FROM backlog WHERE tenant_id = $1 AND task_id = ANY($2)", self.tenant_id, done)
        await owner.execute(
            "UPDATE task SET status = 'SUCCESS', attempt = 1, finished_at = now(), webhook_url = 'https://a.example.com/'"
            " WHERE tenant_id = $1 AND id = ANY($2)",
            self.tenant_id, done,
        )  # fmt: skip
        await owner.execute(
            "INSERT INTO attempt (tenant_id, task_id, attempt, claim_token, worker_id, deadline_at, status, finished_at)"
            " SELECT $1, id, 1, gen_random_uuid(), gen_random_uuid(), now(), 'SUCCESS', now() FROM unnest($2::uuid[]) AS id",
            self.tenant_id, done,
        )  # fmt: skip
        await owner.execute(
            "INSERT INTO result (tenant_id, task_id, result) SELECT $1, id, '1' FROM unnest($2::uuid[]) AS id",
            self.tenant_id, done,
        )  # fmt: skip
        await owner.execute(
            "INSERT INTO task_log (tenant_id, task_id, attempt, seq, at, level, message)"
            " SELECT $1, id, 1, 1, now(), 'INFO', 'm' FROM unnest($2::uuid[]) AS id",
            self.tenant_id, done,
        )  # fmt: skip
        await owner.execute(
            "INSERT INTO idempotency_key (tenant_id, key, fingerprint, task_id)"
            " SELECT $1, id::text, '', id FROM unnest($2::uuid[]) AS id",
            self.tenant_id, done,
        )  # fmt: skip
        await owner.execute(
            "INSERT INTO delivery (tenant_id, id, event_id, event_seq, endpoint_id, task_id, event_type, url, url_key, body,"
            " status, finished_at) SELECT $1, id, id, 1, $1, id, 'task.succeeded', 'https://a.example.com/',"
            " 'https://a.example.com/', '{}', status, CASE status WHEN 'DELIVERED' THEN now() END"
            " FROM unnest($2::uuid[]) WITH ORDINALITY AS u (id, number),"
            " LATERAL (SELECT CASE WHEN number % 2 = 0 THEN 'PENDING' ELSE 'DELIVERED' END AS status) AS s",
            self.tenant_id, done,
        )  # fmt: skip
        # Of the first endpoint (_endpoints): tried before, and due again later.
        endpoint_id = uuid.uuid5(self.tenant_id, "first")
        await owner.execute(
            "INSERT INTO delivery (tenant_id, id, event_id, event_seq, endpoint_id, event_type, url, url_key, body, due_at)"
            " SELECT $1, overlay(id::text PLACING right(md5(id::text), 12) FROM 25)::uuid, id, 1, $3, 'task.succeeded', 'https://a.example.com/', $4, '{}',"
            " now() + interval '1 hour' FROM unnest($2::uuid[]) AS id",
            self.tenant_id, done, endpoint_id, url_key.of_endpoint(endpoint_id),
        )  # fmt: skip
        # Each third one has a webhook, and none of them has its delivery.
        await owner.execute(
            "INSERT INTO event (tenant_id, seq, type, subject, attempt, webhook_seq)"
            " SELECT $1, s.event_seq + number, 1, id, 1, CASE WHEN number % 3 = 0 THEN s.event_seq + number END"
            " FROM unnest($2::uuid[]) WITH ORDINALITY AS u (id, number), tenant_slots s WHERE s.tenant_id = $1",
            self.tenant_id, done,
        )  # fmt: skip
        await owner.execute(
            "UPDATE tenant_slots SET event_seq = event_seq + $2, webhook_seq = event_seq + $2 WHERE tenant_id = $1",
            self.tenant_id, len(done),
        )  # fmt: skip
        # Half of them have one error, each of the others has its own.
        await owner.execute(
            "INSERT INTO error_task (tenant_id, task_id, error_id, attempt)"
            " SELECT $1, id, CASE WHEN number % 2 = 0 THEN $1 ELSE gen_random_uuid() END, 1"
            " FROM unnest($2::uuid[]) WITH ORDINALITY AS u (id, number)",
            self.tenant_id, done,
        )  # fmt: skip
        await owner.execute(
            "INSERT INTO worker_time (tenant_id, task, seconds) SELECT $1, 'echo', 1 FROM unnest($2::uuid[])",
            self.tenant_id, done,
        )  # fmt: skip


@pytest.fixture(
    scope="module", params=["", "unknown to statistics", "known to be empty", "planned while known to be empty"]
)
def statistics(request: pytest.FixtureRequest) -> str:
    """What the planner knows of the tables. Of a module: those of one kind run after each other and share the strangers."""
    return str(request.param)


@pytest.fixture
async def deep(yard: Yard, statistics: str) -> AsyncIterator[Deep]:
    # What other tests have left running is nobody's.
    await yard.owner.execute("UPDATE attempt SET finished_at = now() WHERE finished_at IS NULL")
    if statistics == "unknown to statistics":
        # Once: that tenants of earlier tests have come since leaves the next one as unknown.
        if await _let_others_wait(yard):
            await yard.owner.execute("VACUUM ANALYZE")
    elif statistics:
        # As a new month's partitions are once they were vacuumed: to read all of them looks like nothing.
        tables = "task, attempt, result, backlog, idempotency_key, event, webhook_cursor, delivery, worker_time,"
        tables += " error_task, error_seen"
        await yard.owner.execute(f"TRUNCATE {tables} CASCADE")
        await yard.owner.execute("VACUUM ANALYZE")
    # A worker that starts on a new or restored database plans before there is a single page.
    is_planned_while_empty = statistics.startswith("planned")
    made = Deep(yard, await yard.tenant(), is_planned_while_empty=is_planned_while_empty)
    yield made
    # Others count what is left to roll up, and the tables' rows against their counters.
    await yard.owner.execute("TRUNCATE worker_time, error_seen, error_task")
    await yard.owner.fetch("SELECT * FROM ledger_reconcile()")
    for database in made.databases.values():
        await database.close()


async def _let_others_wait(yard: Yard) -> bool:
    """Fill the tables with many tenants' rows, unless they are; by statistics of them one who comes next has next to none.

    Then every index that begins with the tenant looks as good as the right one.
    """
    if await yard.owner.fetchval("SELECT count(DISTINCT tenant_id) FROM backlog") >= STRANGERS:
        return False
    for _ in range(STRANGERS):
        await yard.tasks(await yard.tenant(), ROWS // 10)
    return True


async def _submit(deep: Deep) -> None:
    async with deep.database("tq_submit").transaction(deep.tenant_id) as connection:
        demands = {deep.tenant_id: Demand(1, -1, -1, 1_000_000)}
        assert await store.accept_any_tenant(connection, demands, [new_task(deep.tenant_id)])


async def _take_and_release_key(deep: Deep) -> None:
    taken = wanted(
        deep.tenant_id,
        plans.PLANS["enterprise"],
        (new_task(deep.tenant_id),),
        uuid.uuid4().hex,
        fingerprint=b"fingerprint",
    )
    async with deep.database("tq_submit").transaction(deep.tenant_id) as connection:
        assert await store.take_keys_any_tenant(connection, [taken]) == {taken.id}
        await store.release_keys_any_tenant(connection, [taken])


async def _run(deep: Deep) -> None:
    worker = deep.database("tq_worker")
    [claim] = await claim_for(worker, deep.tenant_id, pool="prefork", worker_id=uuid.uuid4())
    await finish(worker, claim, Outcome("SUCCESS", "SUCCESS", result="1"))


async def _fail(deep: Deep) -> None:
    worker = deep.database("tq_worker")
    await deep.yard.tasks(deep.tenant_id, 2)
    claims = await claim_for(worker, deep.tenant_id, pool="prefork", worker_id=uuid.uuid4(), limit=2)
    failure = Outcome("FAILURE", "FAILURE", error={"type": "A", "message": "b"})
    await end(worker, [AttemptEnd(claim, failure) for claim in claims])


async def _count_errors(deep: Deep) -> None:
    """Count one failure of an error that is known, whose task was deleted."""
    await deep.yard.owner.execute(
        "INSERT INTO error_seen (tenant_id, task_id, attempt, fingerprint, task, type)"
        " VALUES ($1, gen_random_uuid(), 1, $1, 'echo', 'A')",
        deep.tenant_id,
    )
    async with deep.database("tq_dispatch").connection() as connection:
        assert await error_store.roll_up_any_tenant(connection, 10, 1_000, await deep.yard.fence())


async def _count_errors_in_vain(deep: Deep) -> None:
    async with deep.database("tq_dispatch").connection() as connection:
        await error_store.roll_up_any_tenant(connection, 10, 1_000, await deep.yard.fence())


async def _link(deep: Deep, count: int) -> list[UUID]:
    """Let so many more tasks be of the error whose id is the tenant's."""
    tasks = await deep.yard.tasks(deep.tenant_id, count)
    await deep.yard.owner.execute(
        "INSERT INTO error_task (tenant_id, task_id, error_id, attempt) SELECT $1, id, $1, 1 FROM unnest($2::uuid[]) AS id",
        deep.tenant_id, tasks,
    )  # fmt: skip
    return tasks


async def _error_page(deep: Deep) -> None:
    tasks = await _link(deep, 5)
    async with deep.database("tq_api").transaction(deep.tenant_id) as connection:
        wanted = TaskFilter(error_id=deep.tenant_id)
        rows, _ = await list_store.page(connection, deep.tenant_id, wanted, position=ids.LAST, limit=5)
        found = await error_links.of_tasks(
            connection, deep.tenant_id, [{"task_id": row["task_id"], "attempt": 2} for row in rows]
        )
    assert [row["task_id"] for row in rows] == tasks[::-1]
    assert found == dict.fromkeys(tasks, deep.tenant_id)


async def _error_page_in_vain(deep: Deep) -> None:
    unknown = uuid.uuid4()
    async with deep.database("tq_api").transaction(deep.tenant_id) as connection:
        wanted = TaskFilter(error_id=unknown)
        assert await list_store.page(connection, deep.tenant_id, wanted, position=ids.LAST, limit=5) == ([], None)
        assert not await error_links.of_tasks(connection, deep.tenant_id, [{"task_id": unknown, "attempt": 2}])


async def _select_of_error(deep: Deep) -> None:
    [named] = await _link(deep, 1)
    until = datetime.now(UTC) + timedelta(hours=1)
    chosen = TaskSelection(("PENDING", "SUCCESS"), until, error_id=deep.tenant_id)
    async with deep.database("tq_worker").transaction(deep.tenant_id) as connection:
        page = await bulk_store.ended(connection, deep.tenant_id, chosen, after=ids.FIRST, limit=5)
        assert page.matching
        both = replace(chosen, task_ids=[named])
        page = await bulk_store.ended(connection, deep.tenant_id, both, after=ids.FIRST, limit=5)
    assert page.matching == [named]


async def _select_of_error_in_vain(deep: Deep) -> None:
    chosen = TaskSelection(("SUCCESS",), datetime.now(UTC), error_id=uuid.uuid4())
    async with deep.database("tq_worker").transaction(deep.tenant_id) as connection:
        for each in (chosen, replace(chosen, task_ids=[uuid.uuid4()])):
            page = await bulk_store.ended(connection, deep.tenant_id, each, after=ids.FIRST, limit=5)
            assert not page.matching


async def _log(deep: Deep) -> None:
    worker = deep.database("tq_worker")
    await deep.yard.tasks(deep.tenant_id, 1)
    [claim] = await claim_for(worker, deep.tenant_id, pool="prefork", worker_id=uuid.uuid4())
    line = LogLine(1, datetime.now(UTC), "INFO", "m", None)
    async with worker.transaction(deep.tenant_id) as connection:
        assert await log_store.append(connection, deep.tenant_id, claim, [line], plan="free") == 1
    await finish(worker, claim, Outcome("SUCCESS", "SUCCESS", result="1"))


async def _log_in_vain(deep: Deep) -> None:
    line, gone = LogLine(1, datetime.now(UTC), "INFO", "m", None), _Running(deep.tenant_id, uuid.uuid4())
    async with deep.database("tq_worker").transaction(deep.tenant_id) as connection:
        assert await log_store.append(connection, deep.tenant_id, gone, [line], plan="free") == 0


async def _log_page(connection: Connection, tenant_id: UUID, task_id: UUID) -> bool:
    return await log_store.page(connection, tenant_id, task_id, after=(0, 0), limit=100) == []


def _reads(read: Callable[[Connection, UUID, UUID], Awaitable[Any]]) -> Call:
    async def call(deep: Deep) -> None:
        [task_id] = await deep.yard.tasks(deep.tenant_id, 1)
        async with deep.database("tq_api").transaction(deep.tenant_id) as connection:
            assert await read(connection, deep.tenant_id, task_id)

    return call


async def _last_page(deep: Deep) -> None:
    oldest = await deep.yard.owner.fetch("SELECT id FROM task WHERE tenant_id = $1 ORDER BY id LIMIT 5", deep.tenant_id)
    async with deep.database("tq_api").transaction(deep.tenant_id) as connection:
        found, _ = await list_store.page(connection, deep.tenant_id, TaskFilter(), position=oldest[-1]["id"], limit=100)
    assert [row["task_id"] for row in found] == [row["id"] for row in oldest[3::-1]]


def _first_page(wanted: TaskFilter) -> Call:
    async def read(connection: Connection, tenant_id: UUID, task_id: UUID) -> bool:
        found, _ = await list_store.page(connection, tenant_id, wanted, position=ids.LAST, limit=5)
        return bool(found[0]["task_id"] == task_id)

    return _reads(read)


async def _cancel(deep: Deep) -> None:
    [task_id] = await deep.yard.tasks(deep.tenant_id, 1)
    assert await cancel(deep.database("tq_api"), deep.tenant_id, task_id) == "REVOKED"


def _selects(
    read: Callable[..., Awaitable[SelectedPage]], *, is_in_vain: bool = False, names_tasks: bool = False
) -> Call:
    """Return a call that reads a page of an operation, from the first task on or after the last."""

    async def call(deep: Deep) -> None:
        named = await deep.yard.tasks(deep.tenant_id, 1) if names_tasks else None
        chosen = TaskSelection(("PENDING",), datetime.now(UTC) + timedelta(hours=1), task_ids=named)
        after = ids.LAST if is_in_vain else ids.FIRST
        async with deep.database("tq_worker").transaction(deep.tenant_id) as connection:
            page = await read(connection, deep.tenant_id, chosen, after=after, limit=5)
        assert len(page.matching) == (0 if is_in_vain else 1 if names_tasks else 5)

    return call


async def _cancel_many(deep: Deep) -> None:
    await _cancel_each(deep, set(await deep.yard.tasks(deep.tenant_id, 2)), revoked=2)


async def _cancel_many_in_vain(deep: Deep) -> None:
    await _cancel_each(deep, {uuid.uuid4()}, revoked=0)


async def _cancel_each(deep: Deep, tasks: set[UUID], *, revoked: int) -> None:
    async def settle(_: Connection, done: ManyCancelled) -> None:
        assert len(done.revoked) == revoked

    unknown = [uuid.uuid4()]
    await cancel_many(deep.database("tq_worker"), deep.tenant_id, [*tasks, *unknown], asks_running=True, settle=settle)


_PRIORITY = WaitingChange(priority=7, sets_time=False, scheduled_at=None, tags=None)


async def _change(deep: Deep) -> None:
    [task_id] = await deep.yard.tasks(deep.tenant_id, 1)
    async with deep.database("tq_api").transaction(deep.tenant_id) as connection:
        assert await change_store.change_waiting(connection, deep.tenant_id, task_id, _PRIORITY)


async def _erase(deep: Deep) -> None:
    [task_id] = await deep.yard.tasks(deep.tenant_id, 1)
    assert await cancel(deep.database("tq_api"), deep.tenant_id, task_id) == "REVOKED"
    async with deep.database("tq_api").transaction(deep.tenant_id) as connection:
        erased = await change_store.erase(connection, deep.tenant_id, task_id)
    assert erased is not None
    assert erased["erased_at"] is not None


async def _find_metadata(deep: Deep) -> None:
    order = uuid.uuid4().hex
    [task_id] = await deep.yard.tasks(deep.tenant_id, 1, metadata=json.dumps({"order": order}))
    async with deep.database("tq_api").transaction(deep.tenant_id) as connection:
        wanted = TaskFilter(metadata={"order": order})
        found, _ = await list_store.page(connection, deep.tenant_id, wanted, position=ids.LAST, limit=5)
    assert [row["task_id"] for row in found] == [task_id]


async def _change_in_vain(deep: Deep) -> None:
    async with deep.database("tq_api").transaction(deep.tenant_id) as connection:
        assert not await change_store.change_waiting(connection, deep.tenant_id, uuid.uuid4(), _PRIORITY)


async def _erase_in_vain(deep: Deep) -> None:
    async with deep.database("tq_api").transaction(deep.tenant_id) as connection:
        assert not await change_store.erase(connection, deep.tenant_id, uuid.uuid4())


async def _due(deep: Deep) -> None:
    async with deep.database("tq_dispatch").connection() as connection:
        assert (deep.tenant_id, "prefork") in await sweep_store.tenants_with_due_work_any_tenant(connection)


async def _lost(deep: Deep) -> None:
    async with deep.database("tq_dispatch").connection() as connection:
        assert await sweep_store.lost_any_tenant(connection, 15, 10) == []


async def _time_passes(deep: Deep) -> None:
    """What the dispatcher asks every 0.2 s or 1 s, with nothing to find."""
    async with deep.database("tq_dispatch").connection() as connection:
        await sweep_store.fallen_due_any_tenant(connection, await connection.fetchval("SELECT now()"))
        await sweep_store.expired_any_tenant(connection, 200)
        await sweep_store.expired_by_tenant_any_tenant(connection, ids.FIRST, tenants=100, each=20)
        await sweep_store.running_seconds_any_tenant(connection)
        await sweep_store.forget_dead_workers_any_tenant(connection, await deep.yard.fence())
        await sweep_store.weights_any_tenant(connection, [deep.tenant_id])


async def _judge(deep: Deep) -> None:
    """What the dispatcher asks each second of who has long tasks: of one whose attempt runs, and with a cap."""
    [task_id] = await deep.yard.tasks(deep.tenant_id, 1, task="slow", priority=9)
    await deep.yard.owner.execute("UPDATE tenant_slots SET cap_prefork = 0 WHERE tenant_id = $1", deep.tenant_id)
    async with deep.database("tq_dispatch").connection() as connection:
        found = await slot_store.pool_usage_any_tenant(connection, ["slow"], 64)
        [judged] = [one for one in found if one.tenant_id == deep.tenant_id]
        assert (judged.is_long, judged.waiting > 0) == (True, True)
        await slot_store.set_caps_any_tenant(connection, "prefork", {deep.tenant_id: None}, await deep.yard.fence())
        await slot_store.slots_any_tenant(connection)
    assert await cancel(deep.database("tq_api"), deep.tenant_id, task_id) == "REVOKED"


async def _look_at_schedules(deep: Deep) -> None:
    schedule_id = await deep.schedule()
    # Before those that other tests have left due.
    await deep.yard.owner.execute(
        "UPDATE schedule SET next_fire_at = now() - interval '1 day' WHERE id = $1", schedule_id
    )
    async with deep.database("tq_dispatch").connection() as connection:
        assert (deep.tenant_id, schedule_id) in await due_store.due_any_tenant(connection, 10)
        await due_store.queued_any_tenant(connection, ids.FIRST, 10)
        await due_store.prune_any_tenant(connection, 30, 500, await deep.yard.fence())


async def _stand_of_schedule(deep: Deep) -> None:
    schedule_id = await deep.schedule()
    async with deep.database("tq_worker").transaction(deep.tenant_id) as connection:
        [row] = await schedule_store.standing(connection, deep.tenant_id, [schedule_id])
        assert row["schedule_id"] == schedule_id


async def _record_schedule(deep: Deep) -> None:
    schedule_id = await deep.schedule()
    row = await deep.yard.owner.fetchrow("SELECT version, next_fire_at FROM schedule WHERE id = $1", schedule_id)
    step = schedule_store.Step(
        id=schedule_id, version=row["version"], next_fire_at=row["next_fire_at"], queued_fire_at=None,
        last_fire_at=None, last_task_id=None, fires=0, paused_by=None, pause_note=None,
    )  # fmt: skip
    fire = schedule_store.FireRow(
        schedule_id=schedule_id, fire_at=row["next_fire_at"], outcome="missed", reason="late", count=1, until=None,
        task_id=None,
    )  # fmt: skip
    fence = await deep.yard.fence()
    async with deep.database("tq_submit").transaction(deep.tenant_id) as connection:
        for statement in schedule_store.record_statements_any_tenant(deep.tenant_id, [step], [fire], fence):
            await connection.execute(statement.sql, *statement.arguments)


async def _read_schedules(deep: Deep) -> None:
    schedule_id = await deep.schedule()
    async with deep.database("tq_api").transaction(deep.tenant_id) as connection:
        assert await schedule_store.find(connection, deep.tenant_id, schedule_id)
        await schedule_store.page(connection, deep.tenant_id, before=ids.LAST, limit=2)
        await schedule_store.fires(connection, deep.tenant_id, schedule_id, 20)


async def _prune(deep: Deep) -> None:
    """Two batches: nothing is old enough, so each is a look."""
    async with deep.database("tq_dispatch").connection() as connection:
        assert await sweep_store.prune(connection, deep.tenant_id, timedelta(days=7), 500, await deep.yard.fence()) == 0
        await sweep_store.prune_idempotency_keys_any_tenant(connection, 500, await deep.yard.fence())


async def _roll_up(deep: Deep) -> None:
    async with deep.database("tq_dispatch").connection() as connection:
        await quotas_store.roll_up_any_tenant(connection, 10, await deep.yard.fence(), short_attempt=1.0)


@dataclass(frozen=True)
class _Running:
    tenant_id: UUID
    task_id: UUID
    claim_token: UUID = field(default_factory=uuid.uuid4)


async def _verdicts(deep: Deep) -> None:
    held = [_Running(deep.tenant_id, task_id) for task_id in await deep.yard.tasks(deep.tenant_id, 1)]
    assert set((await cancellation.verdicts(deep.database("tq_worker"), held)).values()) == {"fenced"}


async def _record(connection: Any, claim: webhook_store.DeliveryClaim) -> None:
    """Record a success of an attempt, with what follows for its endpoint and for the counts."""
    ended = attempt_store.EndedAttempt(claim, "DELIVERED", timedelta(), 1, response_status=204, error=None)
    found = await attempt_store.record_any_tenant(
        connection, [ended], failing_after=timedelta(hours=1), disabled_after=timedelta(days=5)
    )
    assert found == {claim.id: False}


async def _deliver(deep: Deep) -> None:
    delivery_id, url = uuid.uuid4(), "https://a.example.com/"
    await deep.yard.owner.execute(
        "INSERT INTO delivery (tenant_id, id, event_id, event_seq, task_id, event_type, url, url_key, body)"
        " VALUES ($1, $2, $2, 1, $2, 'task.succeeded', $3, $3, '{}')",
        deep.tenant_id, delivery_id, url,
    )  # fmt: skip
    due = [webhook_store.DueDelivery(delivery_id, (deep.tenant_id, url))]
    async with deep.database("tq_webhook").connection() as connection:
        await webhook_store.oldest_due_any_tenant(connection, 10)
        claims = await webhook_store.claim_any_tenant(connection, due, timedelta(seconds=60))
        await webhook_store.release_any_tenant(connection, claims)
        [claim] = await webhook_store.claim_any_tenant(connection, due, timedelta(seconds=60))
        await _record(connection, claim)


async def _fan_out(deep: Deep) -> None:
    """The next five events that have a webhook; at first there are no more."""
    done = await deep.yard.tasks(deep.tenant_id, 5, webhook_url="https://a.example.com/")
    for task_id in done:
        assert await cancel(deep.database("tq_api"), deep.tenant_id, task_id) == "REVOKED"
    async with deep.database("tq_webhook").connection() as connection:
        [fanned_out] = await webhook_store.fan_out_any_tenant(connection, [deep.tenant_id], 5)
    assert fanned_out.made in {0, 5}


async def _endpoints(deep: Deep) -> list[uuid.UUID]:
    """Two endpoints of the tenant, and its bit that says so."""
    ids = [uuid.uuid5(deep.tenant_id, name) for name in ("first", "second")]
    await deep.yard.owner.execute(
        "INSERT INTO endpoint (tenant_id, id, url, event_types, rate_per_second, after_seq)"
        " SELECT $1, id, 'https://a.example.com/', '{task.revoked,task.succeeded}', 1000, 0 FROM unnest($2::uuid[]) AS id"
        " ON CONFLICT DO NOTHING",
        deep.tenant_id, ids,
    )  # fmt: skip
    await deep.yard.owner.execute("UPDATE tenant_slots SET features = 3 WHERE tenant_id = $1", deep.tenant_id)
    return ids


async def _fan_out_to_endpoints(deep: Deep) -> None:
    """The next five events, each of them for a webhook_url and two endpoints, as those of the filled table are."""
    await _endpoints(deep)
    for task_id in await deep.yard.tasks(deep.tenant_id, 5, webhook_url="https://a.example.com/"):
        assert await cancel(deep.database("tq_api"), deep.tenant_id, task_id) == "REVOKED"
    async with deep.database("tq_webhook").connection() as connection:
        [fanned_out] = await webhook_store.fan_out_any_tenant(connection, [deep.tenant_id], 10)
    assert fanned_out.made in {0, 15}


async def _deliver_to_an_endpoint(deep: Deep) -> None:
    """Within its rate: a failure, and a success."""
    endpoint_id, delivery_id = (await _endpoints(deep))[0], uuid.uuid4()
    key = url_key.of_endpoint(endpoint_id)
    await deep.yard.owner.execute(
        "INSERT INTO delivery (tenant_id, id, event_id, event_seq, endpoint_id, event_type, url, url_key, body)"
        " VALUES ($1, $2, $2, 1, $3, 'task.succeeded', 'https://a.example.com/', $4, '{}')",
        deep.tenant_id, delivery_id, endpoint_id, key,
    )  # fmt: skip
    async with deep.database("tq_webhook").transaction(deep.tenant_id) as connection:
        [due] = await webhook_store.due_at_endpoints_any_tenant(connection, [(deep.tenant_id, key)], each=1)
        await endpoint_state_store.take_rates_any_tenant(connection, {(deep.tenant_id, endpoint_id): 1})
        [claim] = await webhook_store.claim_any_tenant(connection, [due], timedelta(seconds=60))
        await endpoint_state_store.record_failure(
            connection, deep.tenant_id, endpoint_id, is_gone=False, is_last=False, failing_after=timedelta(hours=1),
            disabled_after=timedelta(days=5),
        )  # fmt: skip
        await _record(connection, claim)


async def _skip_of_deleted(deep: Deep) -> None:
    """The next two deliveries for an endpoint that was deleted, as those of the filled table are."""
    endpoint_id = uuid.uuid5(deep.tenant_id, "first")
    await deep.yard.owner.execute(
        "INSERT INTO delivery (tenant_id, id, event_id, event_seq, endpoint_id, event_type, url, url_key, body)"
        " SELECT $1, id, id, 1, $2, 'task.succeeded', 'https://a.example.com/', $3, '{}' FROM unnest($4::uuid[]) AS id",
        deep.tenant_id, endpoint_id, url_key.of_endpoint(endpoint_id), [uuid.uuid4(), uuid.uuid4()],
    )  # fmt: skip
    async with deep.database("tq_webhook").connection() as connection:
        assert await deleted_endpoint_store.skip(connection, deep.tenant_id, endpoint_id, 2) == 2
        await deleted_endpoint_store.forget(connection, deep.tenant_id, endpoint_id)


async def _skip_in_vain(deep: Deep) -> None:
    async with deep.database("tq_webhook").connection() as connection:
        await deleted_endpoint_store.skip(connection, deep.tenant_id, deep.tenant_id, 2)
        await deleted_endpoint_store.forget(connection, deep.tenant_id, deep.tenant_id)


async def _fan_out_in_vain(deep: Deep) -> None:
    async with deep.database("tq_webhook").connection() as connection:
        await webhook_store.fan_out_any_tenant(connection, [deep.tenant_id], 5)
        # As after an event whose delivery another process has made.
        await deep.yard.owner.execute(
            "UPDATE tenant_slots SET webhook_seq = event_seq + 1, event_seq = event_seq + 1 WHERE tenant_id = $1",
            deep.tenant_id,
        )
        [fanned_out] = await webhook_store.fan_out_any_tenant(connection, [deep.tenant_id], 5)
    assert not fanned_out.made


async def _follow_events(deep: Deep) -> None:
    """The latest event, with a filter and without, after the one before it."""
    [task_id] = await deep.yard.tasks(deep.tenant_id, 1)
    assert await cancel(deep.database("tq_api"), deep.tenant_id, task_id) == "REVOKED"
    async with deep.database("tq_api").connection() as connection:
        head = (await event_store.heads_any_tenant(connection, [deep.tenant_id]))[deep.tenant_id]
        ask = Ask(deep.tenant_id, Position(head - 1), 24, 100)
        rows = await event_store.pages_any_tenant(connection, [ask, replace(ask, tag="none")])
    assert [(row["number"], row["outcome"]) for row in rows] == [(1, "event"), (1, "page"), (2, "page")]
    assert rows[0]["subject"] == task_id


async def _follow_events_in_vain(deep: Deep) -> None:
    async with deep.database("tq_api").connection() as connection:
        await event_store.pages_any_tenant(connection, [Ask(deep.tenant_id, NOW, 24, 100)])


async def _history(connection: Connection, tenant_id: UUID, task_id: UUID) -> bool:
    await read_store.marks_any_tenant(connection, [(tenant_id, task_id)])
    return bool(await read_store.histories_any_tenant(connection, [(tenant_id, task_id)], [(0, 0)], limit=100))


async def _attempts(connection: Connection, tenant_id: UUID, task_id: UUID) -> bool:
    return await read_store.attempts(connection, tenant_id, task_id) == []


def _reads_in_vain(read: Callable[[Connection, UUID, UUID], Awaitable[Any]]) -> Call:
    async def call(deep: Deep) -> None:
        async with deep.database("tq_api").transaction(deep.tenant_id) as connection:
            await read(connection, deep.tenant_id, uuid.uuid4())

    return call


async def _run_in_vain(deep: Deep) -> None:
    worker = deep.database("tq_worker")
    assert await claim_for(worker, deep.tenant_id, pool="prefork", worker_id=uuid.uuid4()) == []
    for outcome in (Outcome("SUCCESS", "SUCCESS"), Outcome("PENDING", "LOST")):
        assert await finish(worker, _Running(deep.tenant_id, uuid.uuid4()), outcome) is None


async def _verdicts_in_vain(deep: Deep) -> None:
    await cancellation.verdicts(deep.database("tq_worker"), [_Running(deep.tenant_id, uuid.uuid4())])


async def _expire(deep: Deep) -> None:
    [task_id] = await deep.yard.tasks(deep.tenant_id, 1, expires_seconds=0.0)
    assert await expire(deep.database("tq_worker"), deep.tenant_id, [task_id]) == [task_id]


async def _cancel_in_vain(deep: Deep) -> None:
    assert await cancel(deep.database("tq_api"), deep.tenant_id, uuid.uuid4()) is None


async def _expire_in_vain(deep: Deep) -> None:
    assert not await expire(deep.database("tq_worker"), deep.tenant_id, [uuid.uuid4()])


async def _release_keys_in_vain(deep: Deep) -> None:
    async with deep.database("tq_submit").transaction(deep.tenant_id) as connection:
        taken = wanted(deep.tenant_id, plans.PLANS["enterprise"], (new_task(deep.tenant_id),), "none")
        await store.release_keys_any_tenant(connection, [taken])
        await store.keep_decisions_any_tenant(connection, [(taken, "{}")])


_ENDPOINT = """
INSERT INTO endpoint (tenant_id, id, url, event_types, after_seq)
SELECT $1, $1, 'https://a.example.com/', '{task.succeeded}', 0 ON CONFLICT DO NOTHING
"""
_EVENT = """
WITH counted AS (UPDATE tenant_slots SET event_seq = event_seq + 1 WHERE tenant_id = $1 RETURNING event_seq AS seq),
known AS (UPDATE endpoint p SET after_seq = c.seq FROM counted c WHERE p.tenant_id = $1)
INSERT INTO event (tenant_id, seq, type, subject, attempt) SELECT $1, c.seq, 1, $2, 1 FROM counted c RETURNING seq
"""


async def _read_deliveries(deep: Deep) -> None:
    """Read the newest delivery in each way, and send it again."""
    owner, tenant_id, newest = deep.yard.owner, deep.tenant_id, ids.new_id()
    await owner.execute(_ENDPOINT, tenant_id)
    await owner.execute(
        "INSERT INTO delivery (tenant_id, id, event_id, event_seq, endpoint_id, task_id, event_type, url, url_key, body,"
        " status, finished_at) VALUES ($1, $2, $2, 1, $1, $2, 'task.failed', 'https://a.example.com/',"
        " 'https://a.example.com/', '{}', 'FAILED', now())",
        tenant_id, newest,
    )  # fmt: skip
    filters = DeliveryFilter(), DeliveryFilter(endpoint_id=tenant_id), DeliveryFilter(task_id=newest)
    async with deep.database("tq_api").transaction(tenant_id) as connection:
        for chosen in filters:
            found, _ = await delivery_store.page(connection, tenant_id, chosen, before=ids.LAST, limit=1)
            assert [row["delivery_id"] for row in found] == [newest]
        assert await delivery_store.find(connection, tenant_id, newest)
        assert await delivery_store.attempts(connection, tenant_id, newest) == []
        assert len(await delivery_store.of_task(connection, tenant_id, newest)) == 1
        assert await delivery_store.resend(connection, tenant_id, [newest]) == {newest: "sent"}
    await owner.execute("UPDATE delivery SET status = 'DELIVERED', finished_at = now() WHERE id = $1", newest)


async def _read_deliveries_in_vain(deep: Deep) -> None:
    unknown = uuid.uuid4()
    filters = DeliveryFilter(), DeliveryFilter(endpoint_id=unknown), DeliveryFilter(task_id=unknown)
    async with deep.database("tq_api").transaction(deep.tenant_id) as connection:
        for chosen in filters:
            await delivery_store.page(connection, deep.tenant_id, chosen, before=ids.FIRST, limit=1)
        await delivery_store.find(connection, deep.tenant_id, unknown)
        await delivery_store.attempts(connection, deep.tenant_id, unknown)
        await delivery_store.of_task(connection, deep.tenant_id, unknown)
        await delivery_store.resend(connection, deep.tenant_id, [unknown])


def _selections(deep: Deep, task_id: UUID, named: UUID) -> list[DeliverySelection]:
    chosen = DeliverySelection(("DELIVERED", "FAILED"), datetime.now(UTC) + timedelta(hours=1))
    return [
        chosen, replace(chosen, endpoint_id=deep.tenant_id), replace(chosen, task_id=task_id),
        replace(chosen, delivery_ids=[named]),
    ]  # fmt: skip


async def _repair_deliveries(deep: Deep) -> None:
    """Select a page of deliveries in each way, and send one event that the endpoint has missed."""
    owner, tenant_id = deep.yard.owner, deep.tenant_id
    await owner.execute(_ENDPOINT, tenant_id)
    [task_id] = await deep.yard.tasks(tenant_id, 1)
    number = await owner.fetchval(_EVENT, tenant_id, task_id)
    now = datetime.now(UTC)
    async with deep.database("tq_worker").transaction(tenant_id) as connection:
        for chosen in _selections(deep, task_id, task_id):
            await repair_store.ended(connection, tenant_id, chosen, after=ids.FIRST, limit=5)
        bounds = {"since": now - timedelta(hours=1), "asked_at": now + timedelta(hours=1), "limit": 5}
        missing = await repair_store.missing(connection, tenant_id, tenant_id, after=number - 1, **bounds)
        assert [row["seq"] for row in missing] == [number, None]
        sent = await repair_store.replay(connection, tenant_id, tenant_id, [number], since=bounds["since"])
        assert sent == {number: "sent"}
    await owner.execute("UPDATE delivery SET status = 'DELIVERED', finished_at = now() WHERE task_id = $1", task_id)


async def _repair_deliveries_in_vain(deep: Deep) -> None:
    unknown, now = uuid.uuid4(), datetime.now(UTC)
    async with deep.database("tq_worker").transaction(deep.tenant_id) as connection:
        for chosen in _selections(deep, unknown, unknown):
            await repair_store.ended(connection, deep.tenant_id, chosen, after=ids.LAST, limit=5)
        await repair_store.missing(connection, deep.tenant_id, unknown, after=1, since=now, asked_at=now, limit=5)
        await repair_store.replay(connection, deep.tenant_id, unknown, [1], since=now)


async def _deliver_in_vain(deep: Deep) -> None:
    due = [webhook_store.DueDelivery(uuid.uuid4(), (deep.tenant_id, "https://a.example.com/"))]
    async with deep.database("tq_webhook").connection() as connection:
        await webhook_store.oldest_due_any_tenant(connection, 10)
        claims = await webhook_store.claim_any_tenant(connection, due, timedelta(seconds=60))
        await webhook_store.release_any_tenant(connection, claims)


async def _due_in_vain(deep: Deep) -> None:
    async with deep.database("tq_dispatch").connection() as connection:
        await sweep_store.tenants_with_due_work_any_tenant(connection)


# What plans a call without a row to find.
IN_VAIN: dict[str, Call] = {
    "idempotency key": _release_keys_in_vain,
    "claim and finish": _run_in_vain,
    "result": _reads_in_vain(lambda c, tenant_id, task_id: read_store.results_any_tenant(c, [(tenant_id, task_id)])),
    "status": _reads_in_vain(lambda c, tenant_id, task_id: read_store.statuses_any_tenant(c, [(tenant_id, task_id)])),
    "request": _reads_in_vain(read_store.request),
    "attempts": _reads_in_vain(read_store.attempts),
    "events": _follow_events_in_vain,
    "history": _reads_in_vain(_history),
    "log": _log_in_vain,
    "log page": _reads_in_vain(_log_page),
    "cancel": _cancel_in_vain,
    "change": _change_in_vain,
    "erase": _erase_in_vain,
    "expire": _expire_in_vain,
    "page to cancel": _selects(bulk_store.unfinished, is_in_vain=True),
    "page to retry": _selects(bulk_store.ended, is_in_vain=True),
    "named page": _selects(bulk_store.ended, is_in_vain=True, names_tasks=True),
    "cancel many": _cancel_many_in_vain,
    "failures": _run_in_vain,
    "count errors": _count_errors_in_vain,
    "page of an error": _error_page_in_vain,
    "page of an error to retry": _select_of_error_in_vain,
    "due tenants": _due_in_vain,
    "lost attempts": _lost,
    "delivery": _deliver_in_vain,
    "skip of deleted": _skip_in_vain,
    "fan out": _fan_out_in_vain,
    "fan out to endpoints": _fan_out_in_vain,
    "deliveries": _read_deliveries_in_vain,
    "repair of deliveries": _repair_deliveries_in_vain,
    "schedules": _time_passes,
    "prune": _prune,
    "roll up": _roll_up,
    "verdicts": _verdicts_in_vain,
}


async def _oldest(deep: Deep) -> None:
    async with deep.database("tq_admin").transaction() as connection:
        found = await admin_store.oldest_due_any_tenant(connection, [deep.tenant_id])
    assert found.keys() == {deep.tenant_id}


async def _service(deep: Deep) -> None:
    """What the operator's process asks of the queues every 5 s."""
    async with deep.database("tq_admin").transaction() as connection:
        await connection.fetch(service_store._OLDEST, [deep.tenant_id], ["prefork"])


CALLS: list[tuple[str, str, Call]] = [
    ("submit", "tq_submit", _submit),
    ("idempotency key", "tq_submit", _take_and_release_key),
    ("claim and finish", "tq_worker", _run),
    (
        "result",
        "tq_api",
        _reads(lambda c, tenant_id, task_id: read_store.results_any_tenant(c, [(tenant_id, task_id)])),
    ),
    (
        "status",
        "tq_api",
        _reads(lambda c, tenant_id, task_id: read_store.statuses_any_tenant(c, [(tenant_id, task_id)])),
    ),
    ("request", "tq_api", _reads(read_store.request)),
    ("page", "tq_api", _first_page(TaskFilter())),
    ("filtered page", "tq_api", _first_page(TaskFilter(task="echo"))),
    ("last page", "tq_api", _last_page),
    ("events", "tq_api", _follow_events),
    ("history", "tq_api", _reads(_history)),
    ("log", "tq_worker", _log),
    ("log page", "tq_api", _reads(_log_page)),
    ("cancel", "tq_api", _cancel),
    ("change", "tq_api", _change),
    ("erase", "tq_api", _erase),
    ("metadata page", "tq_api", _find_metadata),
    ("expire", "tq_worker", _expire),
    ("page to cancel", "tq_worker", _selects(bulk_store.unfinished)),
    ("page to retry", "tq_worker", _selects(bulk_store.ended)),
    ("named page", "tq_worker", _selects(bulk_store.ended, names_tasks=True)),
    ("cancel many", "tq_worker", _cancel_many),
    ("failures", "tq_worker", _fail),
    ("count errors", "tq_dispatch", _count_errors),
    ("page of an error", "tq_api", _error_page),
    ("page of an error to retry", "tq_worker", _select_of_error),
    ("due tenants", "tq_dispatch", _due),
    ("lost attempts", "tq_dispatch", _lost),
    ("delivery", "tq_webhook", _deliver),
    ("fan out", "tq_webhook", _fan_out),
    ("fan out to endpoints", "tq_webhook", _fan_out_to_endpoints),
    ("delivery to an endpoint", "tq_webhook", _deliver_to_an_endpoint),
    ("skip of deleted", "tq_webhook", _skip_of_deleted),
    ("deliveries", "tq_api", _read_deliveries),
    ("repair of deliveries", "tq_worker", _repair_deliveries),
    ("attempts", "tq_api", _reads(_attempts)),
    ("schedules", "tq_dispatch", _time_passes),
    ("slot caps", "tq_dispatch", _judge),
    ("due schedules", "tq_dispatch", _look_at_schedules),
    ("standing of a schedule", "tq_worker", _stand_of_schedule),
    ("record of a schedule", "tq_submit", _record_schedule),
    ("schedules of the tenant", "tq_api", _read_schedules),
    ("prune", "tq_dispatch", _prune),
    ("roll up", "tq_dispatch", _roll_up),
    ("verdicts", "tq_worker", _verdicts),
    ("oldest task for the operator", "tq_admin", _oldest),
    ("metrics of the service", "tq_admin", _service),
]


@pytest.mark.parametrize(("name", "role", "call"), CALLS, ids=[name for name, _, _ in CALLS])
async def test_pages_read_do_not_grow_with_the_tenant(deep: Deep, name: str, role: str, call: Call):
    if deep.is_planned_while_empty:
        for _ in range(EXECUTIONS if name in IN_VAIN else 0):
            await IN_VAIN[name](deep)
    if name == "due tenants":
        # It probes the line of each: in a full table from the start, or each probe pays for a level that is added.
        await _let_others_wait(deep.yard)
    await deep.yard.tasks(deep.tenant_id, EXECUTIONS + 2)
    for _ in range(EXECUTIONS):
        await call(deep)
    few = await deep.pages(role, call)
    assert few > 0
    await deep.fill()
    # An index of 10,000 rows is a level or two deeper; the table and its index have hundreds of pages.
    bound = few * 1.5 + 30
    many = await deep.pages(role, call)
    # Statistics taken meanwhile, of one partition after another, make the next calls plan anew, which reads the catalogue: not
    # what is asked. A plan that grew reads as much each time.
    for _ in range(RETRIES):
        if many <= bound:
            break
        await asyncio.sleep(0.05)
        many = await deep.pages(role, call)
    assert many <= bound, f"{few} pages in a small table, {many} in a large one"
