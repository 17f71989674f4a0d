"""Errors against a real database: each failed attempt is counted once, whatever dies, locks or is erased meanwhile."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.core import ids
from app.db import Connection, Database, connect
from app.dispatch.error_counter import MAX_ERRORS, ErrorCounter
from app.task_errors import store
from app.tasks import change_store, sweep_store
from app.tasks.read import error_store, list_store
from app.tasks.read.task_filter import TaskFilter
from app.tasks.run.attempts import AttemptEnd, Outcome
from app.tasks.run.end import end
from app.tasks.status import Status
from tests.claims import claim_for
from tests.conftest import role_url
from tests.races.conftest import Yard

_SUCCESS = Outcome("SUCCESS", "SUCCESS")


def _failure(message: str = "no", kind: str = "ValueError", **changes: Any) -> Outcome:
    facts = {"status": "FAILURE", "attempt_status": "FAILURE", "error": {"type": kind, "message": message}}
    return Outcome(**(facts | changes))


@dataclass
class Errors:
    """The errors of the database of the races."""

    yard: Yard
    worker: Database
    api: Database
    dispatch: Connection
    fence: UUID

    async def fail(self, tenant_id: UUID, *outcomes: Outcome, task: str = "echo") -> list[UUID]:
        """End one attempt of a new task by each outcome, all in one group; return the tasks."""
        await self.yard.tasks(tenant_id, len(outcomes), task=task)
        return [claim.task_id for claim in await self.end(tenant_id, *outcomes)]

    async def end(self, tenant_id: UUID, *outcomes: Outcome) -> list[Any]:
        """End one attempt of a waiting task by each outcome."""
        claims = await claim_for(self.worker, tenant_id, pool="prefork", worker_id=uuid.uuid4(), limit=len(outcomes))
        claims.sort(key=lambda claim: claim.task_id)
        await end(self.worker, [AttemptEnd(*pair) for pair in zip(claims, outcomes, strict=True)])
        return claims

    async def roll_up(self, limit: int = 5_000, kept: int = MAX_ERRORS) -> int:
        """Count as the leading dispatcher does."""
        return await store.roll_up_any_tenant(self.dispatch, limit, kept, self.fence)

    async def all(self, tenant_id: UUID, **wanted: Any) -> list[dict[str, Any]]:
        """Count, and return the tenant's errors."""
        await self.roll_up()
        facts: dict[str, Any] = {"statuses": None, "task": None, "after": None, "limit": 2_000} | wanted
        async with self.api.transaction(tenant_id) as connection:
            return [dict(row) for row in await store.page(connection, tenant_id, **facts)]

    async def one(self, tenant_id: UUID) -> dict[str, Any]:
        """Count, and return the tenant's only error."""
        [found] = await self.all(tenant_id)
        return found

    async def mark(self, tenant_id: UUID, error_id: UUID, status: str) -> None:
        """Let a person change a status."""
        async with self.api.transaction(tenant_id) as connection:
            await store.change(connection, tenant_id, error_id, status=status, by="key")

    async def seen(self, tenant_id: UUID) -> int:
        """Return how many failed attempts of the tenant are not counted yet."""
        found: int = await self.yard.owner.fetchval("SELECT count(*) FROM error_seen WHERE tenant_id = $1", tenant_id)
        return found


@pytest.fixture
async def errors(yard: Yard) -> AsyncIterator[Errors]:
    """The database, whose dispatcher counts nothing by itself."""
    worker, api = yard.database("tq_worker"), yard.database("tq_api")
    dispatch = await connect(role_url(yard.environment, "tq_dispatch"))
    made = Errors(yard, worker, api, dispatch, await yard.fence())
    # Of other tests.
    await made.roll_up(1_000_000)
    yield made
    await dispatch.close()
    for database in (worker, api):
        await database.close()


async def test_failures_that_are_alike_are_one_error_and_others_are_others(errors: Errors):
    tenant_id, other = await errors.yard.tenant(), await errors.yard.tenant()
    alike = [_failure(f"order {number} not found") for number in range(3)]
    tasks = await errors.fail(tenant_id, *alike, _failure("order 4 lost"), _failure("order 5 not found", "KeyError"))
    [alone] = await errors.fail(tenant_id, _failure("order 6 not found"), task="other")
    await errors.fail(other, _failure("order 7 not found"))
    found = await errors.all(tenant_id)
    assert sorted((e["task"], e["type"], e["message"], e["occurrences"]) for e in found) == [
        ("echo", "KeyError", "order 5 not found", 1),
        ("echo", "ValueError", "order 2 not found", 3),
        ("echo", "ValueError", "order 4 lost", 1),
        ("other", "ValueError", "order 6 not found", 1),
    ]
    assert {e["last_task_id"] for e in found} == {*tasks[2:], alone}
    # Another tenant's error has an id of its own, although all that it is computed from is the same.
    assert (await errors.one(other))["error_id"] not in {e["error_id"] for e in found}
    assert {e["status"] for e in found} == {"unresolved"}
    assert await errors.seen(tenant_id) == 0


@pytest.mark.parametrize("size", [1, 3])
async def test_an_attempt_that_did_not_fail_is_no_occurrence(errors: Errors, size: int):
    tenant_id = await errors.yard.tenant()
    for outcome in (
        _SUCCESS,
        Outcome("PENDING", "LOST"),
        Outcome("PENDING", "RETURNED", error={"type": "TaskSnooze", "message": "later"}, delay_seconds=60),
        Outcome("REVOKED", "REVOKED", error={"type": "Cancelled", "message": ""}),
    ):
        await errors.fail(tenant_id, *[outcome] * size)
        later = "UPDATE backlog SET due_at = now() + interval '1 day' WHERE tenant_id = $1"
        await errors.yard.owner.execute(later, tenant_id)
    assert await errors.seen(tenant_id) == 0


async def test_failures_of_a_group_are_counted_beside_what_succeeded_and_each_repeat_counts_once(errors: Errors):
    tenant_id = await errors.yard.tenant()
    await errors.yard.tasks(tenant_id, 6)
    claims = await claim_for(errors.worker, tenant_id, pool="prefork", worker_id=uuid.uuid4(), limit=6)
    retry = _failure(status="RETRY", delay_seconds=60)
    outcomes = (_failure(), _SUCCESS, retry, _failure(attempt_status="LOST", kind="WorkerLost"), _SUCCESS, _failure())
    ends = [AttemptEnd(claim, outcome) for claim, outcome in zip(claims, outcomes, strict=True)]
    # Written twice, and two of them twice in one group.
    for group in (ends, ends, [ends[0], ends[0]], [ends[2]]):
        await end(errors.worker, group)
    found = {e["type"]: e["occurrences"] for e in await errors.all(tenant_id)}
    assert found == {"ValueError": 3, "WorkerLost": 1}
    # Written after it was counted.
    await end(errors.worker, ends)
    await end(errors.worker, ends[:1])
    assert await errors.seen(tenant_id) == 0


async def test_an_attempt_that_was_taken_away_is_no_occurrence(errors: Errors):
    tenant_id = await errors.yard.tenant()
    await errors.yard.tasks(tenant_id, 2)
    claims = await claim_for(errors.worker, tenant_id, pool="prefork", worker_id=uuid.uuid4(), limit=2)
    await end(errors.worker, [AttemptEnd(claim, Outcome("PENDING", "LOST")) for claim in claims])
    again = await claim_for(errors.worker, tenant_id, pool="prefork", worker_id=uuid.uuid4(), limit=2)
    assert len(again) == 2
    await end(errors.worker, [AttemptEnd(claim, _failure()) for claim in claims])
    await end(errors.worker, [AttemptEnd(claims[0], _failure())])
    assert await errors.seen(tenant_id) == 0


async def test_every_occurrence_is_counted_once_while_roll_ups_are_killed_and_tasks_go_on_failing(errors: Errors):
    tenant_id, rounds, size = await errors.yard.tenant(), 25, 8
    is_over = asyncio.Event()

    async def fail() -> None:
        for _ in range(rounds):
            await errors.fail(
                tenant_id, *(_failure(f"number {number % 2}", f"E{number % 4}") for number in range(size))
            )
        is_over.set()

    async def killed() -> None:
        # A dispatcher that dies in the middle of a roll-up, before its commit.
        connection = await asyncpg.connect(role_url(errors.yard.environment, "tq_dispatch"))
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("SELECT errors_roll_up(5, 1000)")
        connection.terminate()

    async def count() -> None:
        connection = await connect(role_url(errors.yard.environment, "tq_dispatch"))
        try:
            while not is_over.is_set():
                await store.roll_up_any_tenant(connection, 7, MAX_ERRORS, errors.fence)
        finally:
            await connection.close()

    async def kill() -> None:
        while not is_over.is_set():
            await killed()
            await asyncio.sleep(0)

    await asyncio.gather(fail(), count(), count(), kill())
    # The server may still have to notice that a killed connection is gone.
    async with asyncio.timeout(30):
        while await errors.seen(tenant_id):
            await errors.roll_up()
    found = await errors.all(tenant_id)
    assert {e["type"]: e["occurrences"] for e in found} == dict.fromkeys(["E0", "E1", "E2", "E3"], rounds * size // 4)
    assert [sum(e["sparkline"]) for e in found] == [rounds * size // 4] * 4


async def test_a_dispatcher_that_leads_no_more_counts_nothing(errors: Errors):
    tenant_id = await errors.yard.tenant()
    await errors.fail(tenant_id, _failure())
    assert await store.roll_up_any_tenant(errors.dispatch, 10, 10, uuid.uuid4()) == 0
    assert await errors.seen(tenant_id) == 1


async def test_a_locked_error_stops_no_dispatcher_and_is_counted_later(errors: Errors):
    tenant_id = await errors.yard.tenant()
    await errors.fail(tenant_id, _failure())
    assert await errors.roll_up() == 1
    await errors.fail(tenant_id, _failure())
    async with errors.yard.owner.transaction():
        await errors.yard.owner.execute("SELECT FROM task_error WHERE tenant_id = $1 FOR UPDATE", tenant_id)
        assert await errors.roll_up() == 0
        assert await errors.seen(tenant_id) == 1
    assert (await errors.one(tenant_id))["occurrences"] == 2


async def test_a_full_batch_is_followed_by_the_next_one_at_once(errors: Errors, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("app.dispatch.error_counter._MAX_ATTEMPTS", 2)
    tenant_id = await errors.yard.tenant()
    await errors.fail(tenant_id, *[_failure()] * 3)
    counter = ErrorCounter(await errors.yard.lead(errors.dispatch))
    assert (await counter.tick(), counter.is_behind) == (2, True)
    assert (await counter.tick(), counter.is_behind) == (1, False)


async def test_a_resolved_error_that_is_seen_again_is_a_regression(errors: Errors):
    tenant_id = await errors.yard.tenant()
    await errors.fail(tenant_id, _failure())
    first = await errors.one(tenant_id)
    # This one failed before the error was resolved, and is counted after it.
    await errors.fail(tenant_id, _failure())
    await errors.mark(tenant_id, first["error_id"], "resolved")
    resolved = await errors.one(tenant_id)
    assert (resolved["status"], resolved["resolved_by"], resolved["occurrences"]) == ("resolved", "key", 2)
    assert resolved["regressed_at"] is None
    assert resolved["resolved_at"] > resolved["last_seen"]
    await errors.fail(tenant_id, _failure())
    again = await errors.one(tenant_id)
    assert (again["error_id"], again["status"], again["occurrences"]) == (first["error_id"], "unresolved", 3)
    assert (again["resolved_at"], again["resolved_by"]) == (None, None)
    assert again["regressed_at"] == again["last_seen"] > resolved["resolved_at"]
    assert again["first_seen"] == first["first_seen"]
    # It is a regression until somebody acts on it, and later occurrences do not change when it began.
    await errors.fail(tenant_id, _failure())
    later = await errors.one(tenant_id)
    assert (later["regressed_at"], later["last_seen"] > again["last_seen"]) == (again["regressed_at"], True)
    await errors.mark(tenant_id, first["error_id"], "unresolved")
    assert (await errors.one(tenant_id))["regressed_at"] == again["regressed_at"]
    await errors.mark(tenant_id, first["error_id"], "resolved")
    assert (await errors.one(tenant_id))["regressed_at"] is None


async def test_an_ignored_error_stays_ignored_and_is_counted(errors: Errors):
    tenant_id = await errors.yard.tenant()
    await errors.fail(tenant_id, _failure())
    error_id = (await errors.one(tenant_id))["error_id"]
    await errors.mark(tenant_id, error_id, "resolved")
    await errors.mark(tenant_id, error_id, "ignored")
    await errors.fail(tenant_id, _failure())
    found = await errors.one(tenant_id)
    assert (found["status"], found["occurrences"], found["regressed_at"]) == ("ignored", 2, None)
    assert (found["resolved_at"], found["resolved_by"]) == (None, None)
    await errors.mark(tenant_id, error_id, "unresolved")
    assert (await errors.one(tenant_id))["status"] == "unresolved"
    # Another tenant's call changes nothing.
    await errors.mark(await errors.yard.tenant(), error_id, "ignored")
    assert (await errors.one(tenant_id))["status"] == "unresolved"


async def _shift(errors: Errors, tenant_id: UUID, hours: float) -> None:
    """Let the failures that are not counted yet have happened so many hours ago."""
    await errors.yard.owner.execute(
        "UPDATE error_seen SET seen_at = now() - $2::interval WHERE tenant_id = $1 AND seen_at > now() - interval '1 minute'",
        tenant_id,
        timedelta(hours=hours),
    )


async def test_occurrences_are_counted_by_the_hour(errors: Errors):
    tenant_id = await errors.yard.tenant()
    for hours, count in ((30, 5), (23, 1), (3, 2)):
        await errors.fail(tenant_id, *[_failure()] * count)
        await _shift(errors, tenant_id, hours)
    found = await errors.one(tenant_id)
    assert (found["occurrences"], found["sparkline"]) == (8, [1] + [0] * 19 + [2] + [0] * 3)
    # Later ones, and one that is counted late, come to the hours that are stored.
    for hours, count in ((3, 1), (0, 4)):
        await errors.fail(tenant_id, *[_failure()] * count)
        await _shift(errors, tenant_id, hours)
    assert (await errors.one(tenant_id))["sparkline"] == [1] + [0] * 19 + [3, 0, 0, 4]
    await errors.fail(tenant_id, _failure())
    await _shift(errors, tenant_id, 1)
    assert (await errors.one(tenant_id))["sparkline"] == [1] + [0] * 19 + [3, 0, 1, 4]
    await errors.yard.owner.execute(
        "UPDATE task_error SET hourly_until = hourly_until - interval '22 hours' WHERE tenant_id = $1", tenant_id
    )
    assert (await errors.one(tenant_id))["sparkline"] == [1, 4] + [0] * 22


async def test_a_tenant_keeps_the_errors_that_were_seen_last_and_one_that_comes_back_has_its_id(errors: Errors):
    tenant_id, other = await errors.yard.tenant(), await errors.yard.tenant()
    await errors.fail(other, _failure(kind="E9"))
    await errors.fail(tenant_id, _failure(kind="E0"))
    old = (await errors.one(tenant_id))["error_id"]
    for number in range(1, 4):
        await errors.fail(tenant_id, _failure(kind=f"E{number}"))
    await errors.fail(tenant_id, _failure(kind="E1"))
    await errors.roll_up(kept=2)
    assert [e["type"] for e in await errors.all(tenant_id)] == ["E1", "E3"]
    assert len(await errors.all(other)) == 1
    await errors.fail(tenant_id, _failure(kind="E0"))
    assert (await errors.all(tenant_id))[0]["error_id"] == old


async def test_what_was_not_seen_within_the_retention_is_deleted_and_links_go_with_their_tasks(errors: Errors):
    tenant_id, now = await errors.yard.tenant(), uuid.uuid4()
    tasks = await errors.fail(tenant_id, _failure(kind="Old"), _failure(kind="New"))
    assert len(await errors.all(tenant_id)) == 2
    links = "SELECT count(*) FROM error_task WHERE tenant_id = $1"
    assert await errors.yard.owner.fetchval(links, tenant_id) == 2
    await errors.yard.owner.execute(
        "UPDATE task_error SET last_seen = now() - interval '400 days' WHERE tenant_id = $1 AND type = 'Old'", tenant_id
    )
    await errors.yard.owner.execute("ALTER TABLE task DISABLE TRIGGER task_terminal")
    old = ids.first_id_at(0)
    await errors.yard.owner.execute(
        "UPDATE task SET id = $3, finished_at = now() - interval '400 days' WHERE tenant_id = $1 AND id = $2",
        tenant_id, tasks[0], UUID(int=old.int | now.int >> 80),
    )  # fmt: skip
    await errors.yard.owner.execute("ALTER TABLE task ENABLE TRIGGER task_terminal")
    await errors.yard.owner.execute(
        "UPDATE error_task SET task_id = $3 WHERE tenant_id = $1 AND task_id = $2",
        tenant_id, tasks[0], UUID(int=old.int | now.int >> 80),
    )  # fmt: skip
    assert await sweep_store.prune(errors.dispatch, tenant_id, timedelta(days=365), 100, errors.fence) == 1
    assert (await errors.one(tenant_id))["type"] == "New"
    assert await errors.yard.owner.fetchval(links, tenant_id) == 1


async def test_a_task_that_is_erased_takes_its_message_along(errors: Errors):
    tenant_id = await errors.yard.tenant()
    [counted] = await errors.fail(tenant_id, _failure("order 1", "A"))
    assert (await errors.one(tenant_id))["message"] == "order 1"
    [late] = await errors.fail(tenant_id, _failure(kind="C"))
    async with errors.api.transaction(tenant_id) as connection:
        for task_id in (counted, late):
            await change_store.erase(connection, tenant_id, task_id)
    assert [(e["type"], e["message"]) for e in await errors.all(tenant_id)] == [("C", None), ("A", None)]
    # The next occurrence brings its own.
    await errors.fail(tenant_id, _failure("order 2", "A"))
    assert [e["message"] for e in await errors.all(tenant_id)] == ["order 2", None]


async def test_failures_of_a_tenant_that_was_deleted_keep_no_other_from_being_counted(errors: Errors):
    tenant_id = await errors.yard.tenant()
    await errors.fail(tenant_id, _failure())
    await errors.yard.owner.execute(
        "INSERT INTO error_seen (tenant_id, task_id, attempt, fingerprint, task, type) VALUES ($1, $1, 1, $1, 'a', 'A')",
        uuid.uuid4(),
    )
    assert await errors.roll_up() == 2
    assert (await errors.one(tenant_id))["occurrences"] == 1


async def _listed(errors: Errors, tenant_id: UUID, error_id: UUID, **wanted: Any) -> list[UUID]:
    async with errors.api.transaction(tenant_id) as connection:
        rows, _ = await list_store.page(
            connection, tenant_id, TaskFilter(error_id=error_id, **wanted), position=ids.LAST, limit=100
        )
    return [row["task_id"] for row in rows]


async def test_a_task_belongs_to_the_error_of_its_latest_failed_attempt(errors: Errors):
    tenant_id = await errors.yard.tenant()
    retry = {"status": "RETRY", "delay_seconds": 0}
    first, second = await errors.fail(tenant_id, _failure(kind="A", **retry), _failure(kind="A", **retry))
    [error_a] = await errors.all(tenant_id)
    assert await _listed(errors, tenant_id, error_a["error_id"]) == [second, first]
    await errors.end(tenant_id, _failure(kind="B"), _SUCCESS)
    error_b = next(e for e in await errors.all(tenant_id) if e["type"] == "B")
    assert await _listed(errors, tenant_id, error_a["error_id"]) == [second]
    assert await _listed(errors, tenant_id, error_b["error_id"]) == [first]
    assert await _listed(errors, tenant_id, error_a["error_id"], statuses=[Status.FAILURE]) == []
    assert await _listed(errors, await errors.yard.tenant(), error_a["error_id"]) == []
    async with errors.api.transaction(tenant_id) as connection:
        rows, _ = await list_store.page(connection, tenant_id, TaskFilter(), position=ids.LAST, limit=100)
        found = await error_store.of_tasks(connection, tenant_id, rows)
    assert found == {first: error_b["error_id"], second: error_a["error_id"]}


async def test_a_list_of_an_errors_tasks_is_read_page_by_page(errors: Errors, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(list_store, "MAX_ROWS_READ", 3)
    order = list_store._order("DESC", is_ascending=False)
    tenant_id = await errors.yard.tenant()
    tasks = await errors.fail(tenant_id, *[_failure()] * 8)
    await errors.fail(tenant_id, _failure(kind="Other"))
    error_id = next(e["error_id"] for e in await errors.all(tenant_id) if e["type"] == "ValueError")
    await errors.yard.owner.execute("ALTER TABLE task DISABLE TRIGGER task_terminal")
    await errors.yard.owner.execute("UPDATE task SET tags = '{x}' WHERE id = ANY($1)", [tasks[0], tasks[7]])
    await errors.yard.owner.execute("ALTER TABLE task ENABLE TRIGGER task_terminal")
    wanted, position, found, calls = TaskFilter(error_id=error_id, tag="x"), ids.LAST, [], 0
    async with errors.api.transaction(tenant_id) as connection:
        while position is not None:
            rows, position = await list_store.page(
                connection, tenant_id, wanted, position=position, limit=5, order=order
            )
            found += [row["task_id"] for row in rows]
            calls += 1
    assert (found, calls) == ([tasks[7], tasks[0]], 3)
