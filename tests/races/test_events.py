"""The event log: each change of a task writes its event, and a reader who pages by number skips none."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.db import Database
from app.tasks import store
from app.tasks.run.attempts import AttemptEnd, Claim, Outcome
from app.tasks.run.end import cancel, end, end_as_leader, expire
from tests.claims import claim_for
from tests.conftest import role_url
from tests.races.conftest import Yard, finish

URL = "https://hooks.example.com/a?token=t"
SUCCESS = Outcome("SUCCESS", "SUCCESS", result="1")
ERROR = {"type": "ValueError", "message": "no"}
NAMES = {1: "task.succeeded", 2: "task.failed", 3: "task.revoked", 4: "task.retrying"}


@pytest.fixture
async def worker(yard: Yard) -> AsyncIterator[Database]:
    database = yard.database("tq_worker", 8)
    yield database
    await database.close()


async def _events(yard: Yard, tenant_id: UUID, after: int = 0) -> "list[asyncpg.Record]":
    return await yard.owner.fetch(
        "SELECT seq, type, subject, attempt, webhook_seq FROM event WHERE tenant_id = $1 AND seq > $2 ORDER BY seq",
        tenant_id,
        after,
    )


async def _said(yard: Yard, tenant_id: UUID) -> list[tuple[str, UUID, int]]:
    """Return type, task and attempt of the tenant's events, which must be numbered from 1."""
    rows = await _events(yard, tenant_id)
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    return [(NAMES[row["type"]], row["subject"], row["attempt"]) for row in rows]


async def _heads(yard: Yard, tenant_id: UUID) -> tuple[int, int]:
    row = await yard.owner.fetchrow("SELECT event_seq, webhook_seq FROM tenant_slots WHERE tenant_id = $1", tenant_id)
    assert row is not None
    return row["event_seq"], row["webhook_seq"]


async def _claims(yard: Yard, worker: Database, tenant_id: UUID, count: int = 1, **changes: Any) -> list[Claim]:
    await yard.tasks(tenant_id, count, **changes)
    return await claim_for(worker, tenant_id, pool="prefork", worker_id=uuid.uuid4(), limit=count)


@pytest.mark.parametrize(
    ("outcome", "type_"),
    [
        (SUCCESS, "task.succeeded"),
        (Outcome("FAILURE", "FAILURE", error=ERROR), "task.failed"),
        (Outcome("FAILURE", "LOST", error=ERROR), "task.failed"),
        (Outcome("REVOKED", "REVOKED", error=ERROR), "task.revoked"),
        (Outcome("RETRY", "FAILURE", error=ERROR, delay_seconds=60), "task.retrying"),
        (Outcome("PENDING", "LOST"), None),
        (Outcome("PENDING", "RETURNED"), None),
    ],
)
async def test_an_attempt_that_ends_is_an_event_unless_it_was_taken_away_or_given_back(
    yard: Yard, worker: Database, outcome: Outcome, type_: str | None
):
    tenant_id = await yard.tenant()
    [claim] = await _claims(yard, worker, tenant_id)
    await finish(worker, claim, outcome)
    assert await _said(yard, tenant_id) == ([(type_, claim.task_id, 1)] if type_ else [])
    assert await _heads(yard, tenant_id) == (int(type_ is not None), 0)


async def test_an_end_that_is_written_again_or_by_someone_whose_attempt_was_taken_away_is_no_event(
    yard: Yard, worker: Database
):
    tenant_id = await yard.tenant()
    [claim] = await _claims(yard, worker, tenant_id)
    await end_as_leader(worker, AttemptEnd(claim, Outcome("PENDING", "LOST")), None)
    assert await finish(worker, claim, SUCCESS) is None
    [again] = await claim_for(worker, tenant_id, pool="prefork", worker_id=uuid.uuid4())
    for _ in range(2):
        assert await finish(worker, again, SUCCESS) is not None
    assert await _said(yard, tenant_id) == [("task.succeeded", claim.task_id, 2)]


async def test_a_cancel_an_expiry_and_a_cancel_that_meets_a_retry_are_events(yard: Yard, worker: Database):
    tenant_id, api = await yard.tenant(), yard.database("tq_api", 1)
    [waits] = await yard.tasks(tenant_id, 1)
    [expires] = await yard.tasks(tenant_id, 1, expires_seconds=0.0)
    assert await cancel(api, tenant_id, waits) == "REVOKED"
    assert await cancel(api, tenant_id, waits) == "REVOKED"
    assert await expire(worker, tenant_id, [expires]) == [expires]
    assert await expire(worker, tenant_id, [expires]) == []
    [claim] = await _claims(yard, worker, tenant_id)
    assert await cancel(api, tenant_id, claim.task_id) == "STARTED"
    await finish(worker, claim, Outcome("RETRY", "FAILURE", error=ERROR))
    await api.close()
    assert await _said(yard, tenant_id) == [
        ("task.revoked", waits, 0), ("task.revoked", expires, 0), ("task.revoked", claim.task_id, 1),
    ]  # fmt: skip


async def test_only_the_end_of_a_task_with_a_webhook_url_is_for_webhooks(yard: Yard, worker: Database):
    tenant_id, api = await yard.tenant(), yard.database("tq_api", 1)
    [plain] = await _claims(yard, worker, tenant_id)
    assert not (await finish(worker, plain, SUCCESS)).has_webhook  # type: ignore[union-attr]
    [hooked] = await _claims(yard, worker, tenant_id, webhook_url=URL)
    retried = await finish(worker, hooked, Outcome("RETRY", "FAILURE", error=ERROR))
    assert not retried.has_webhook  # type: ignore[union-attr]
    assert await _heads(yard, tenant_id) == (2, 0)
    [again] = await claim_for(worker, tenant_id, pool="prefork", worker_id=uuid.uuid4())
    assert (await finish(worker, again, SUCCESS)).has_webhook  # type: ignore[union-attr]
    [waits] = await yard.tasks(tenant_id, 1, webhook_url=URL)
    await cancel(api, tenant_id, waits)
    await api.close()
    assert [row["webhook_seq"] for row in await _events(yard, tenant_id)] == [None, None, 3, 4]
    assert await _heads(yard, tenant_id) == (4, 4)


@pytest.mark.parametrize("features", [2, 3])
async def test_of_a_tenant_with_endpoints_every_event_is_for_webhooks(yard: Yard, worker: Database, features: int):
    tenant_id, api = await yard.tenant(), yard.database("tq_api", 1)
    await yard.owner.execute("UPDATE tenant_slots SET features = $2 WHERE tenant_id = $1", tenant_id, features)
    claims = await _claims(yard, worker, tenant_id, 4)
    assert (await finish(worker, claims[0], SUCCESS)).has_webhook  # type: ignore[union-attr]
    retried = await finish(worker, claims[1], Outcome("RETRY", "FAILURE", error=ERROR, delay_seconds=60))
    assert retried.has_webhook  # type: ignore[union-attr]
    assert not (await finish(worker, claims[2], Outcome("PENDING", "LOST"))).has_webhook  # type: ignore[union-attr]
    # In one statement with a tenant that has none.
    [of_other] = await _claims(yard, worker, await yard.tenant())
    ends = [AttemptEnd(claim, SUCCESS, has_webhook=False) for claim in (of_other, claims[3])]
    results = await end(worker, ends)
    assert [result and result.has_webhook for result in results] == [False, True]
    [waits] = await yard.tasks(tenant_id, 1)
    await cancel(api, tenant_id, waits)
    await api.close()
    assert [(row["seq"], row["webhook_seq"]) for row in await _events(yard, tenant_id)] == [(n, n) for n in range(1, 5)]
    assert await _heads(yard, tenant_id) == (4, 4)


async def test_without_event_hours_only_what_a_webhook_needs_is_logged_and_numbers_have_no_gap(
    yard: Yard, worker: Database
):
    tenant_id, other, api = await yard.tenant(), await yard.tenant(), yard.database("tq_api", 1)
    await yard.owner.execute("UPDATE tenant_slots SET features = 0 WHERE tenant_id = $1", tenant_id)
    plain = await _claims(yard, worker, tenant_id, 2)
    hooked = await _claims(yard, worker, tenant_id, 2, webhook_url=URL)
    [of_other] = await _claims(yard, worker, other)
    [waits, hooked_waits] = [(await yard.tasks(tenant_id, 1, webhook_url=url))[0] for url in (None, URL)]
    # Alone, with others of the tenant, and in one statement with a tenant that logs everything.
    await end(worker, [AttemptEnd(plain[0], SUCCESS, has_webhook=False)])
    mixed = [plain[1], hooked[0], of_other, hooked[1]]
    await end(worker, [AttemptEnd(claim, SUCCESS, has_webhook=claim.has_webhook) for claim in mixed])
    for task_id in (waits, hooked_waits):
        await cancel(api, tenant_id, task_id)
    await api.close()
    assert await _said(yard, tenant_id) == [
        *(("task.succeeded", claim.task_id, 1) for claim in hooked), ("task.revoked", hooked_waits, 0),
    ]  # fmt: skip
    assert await _heads(yard, tenant_id) == (3, 3)
    assert await _said(yard, other) == [("task.succeeded", of_other.task_id, 1)]


async def test_events_of_one_statement_are_numbered_in_its_order_for_each_tenant(yard: Yard, worker: Database):
    tenants = [await yard.tenant() for _ in range(3)]
    claims = [claim for tenant_id in tenants for claim in await _claims(yard, worker, tenant_id, 5)]
    random.Random(7).shuffle(claims)
    await end(worker, [AttemptEnd(claim, SUCCESS) for claim in claims])
    for tenant_id in tenants:
        own = [claim.task_id for claim in claims if claim.tenant_id == tenant_id]
        assert [task_id for _, task_id, _ in await _said(yard, tenant_id)] == own


async def test_numbers_are_committed_in_their_order(yard: Yard, worker: Database):
    """The next number is not even taken while the transaction that has the one before is open."""
    tenant_id, api = await yard.tenant(), yard.database("tq_api", 1)
    first, second = await _claims(yard, worker, tenant_id, 2)
    [waits] = await yard.tasks(tenant_id, 1)
    async with worker.transaction(tenant_id) as connection:
        await store.finish_any_tenant(connection, [AttemptEnd(first, SUCCESS)])
        others = [
            asyncio.create_task(finish(worker, second, SUCCESS)),
            asyncio.create_task(cancel(api, tenant_id, waits)),
        ]
        while await yard.owner.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") < len(others):  # noqa: ASYNC110
            await asyncio.sleep(0.002)
        assert await _said(yard, tenant_id) == []
    await asyncio.gather(*others)
    await api.close()
    said = await _said(yard, tenant_id)
    assert said[0][1] == first.task_id
    assert {task_id for _, task_id, _ in said} == {first.task_id, second.task_id, waits}


class _Reader:
    """Pages by number over a connection of its own, as fast as it can."""

    def __init__(self, yard: Yard, tenant_id: UUID) -> None:
        self._yard, self._tenant_id = yard, tenant_id
        self.seen: list[int] = []
        self.pages = 0

    async def read(self, stopping: asyncio.Event) -> None:
        connection = await asyncpg.connect(role_url(self._yard.environment, "tq_api"))
        await connection.execute("SELECT set_config('app.tenant_ids', $1, false)", f"{{{self._tenant_id}}}")
        is_last = False
        while not is_last:
            is_last = stopping.is_set()
            after = len(self.seen)
            rows = await connection.fetch(
                "SELECT seq FROM event WHERE tenant_id = $1 AND seq > $2 AND seq <= $2 + 7 ORDER BY seq",
                self._tenant_id,
                after,
            )
            numbers = [row["seq"] for row in rows]
            # A number that is missing here, while a later one is there, would never be read.
            assert numbers == list(range(after + 1, after + 1 + len(numbers)))
            self.seen += numbers
            self.pages += 1
            is_last = is_last and not numbers
        await connection.close()


async def test_a_reader_skips_nothing_while_many_end_cancel_and_expire_at_once(yard: Yard, worker: Database):
    tenant_id, api = await yard.tenant(), yard.database("tq_api", 8)
    chance, stopping, reader = random.Random(11), asyncio.Event(), _Reader(yard, tenant_id)
    claims = await _claims(yard, worker, tenant_id, 240)
    cancelled = await yard.tasks(tenant_id, 60)
    expired = await yard.tasks(tenant_id, 60, expires_seconds=0.0, webhook_url=URL)

    async def end_some(some: Sequence[Claim]) -> None:
        outcomes = [SUCCESS, Outcome("FAILURE", "FAILURE", error=ERROR), Outcome("PENDING", "RETURNED")]
        await end(worker, [AttemptEnd(claim, chance.choice(outcomes)) for claim in some])

    async def hold_open(some: Sequence[Claim]) -> None:
        async with worker.transaction(tenant_id) as connection:
            await store.finish_any_tenant(connection, [AttemptEnd(claim, SUCCESS) for claim in some])
            await asyncio.sleep(chance.random() / 50)

    async def roll_back(some: Sequence[Claim]) -> None:
        """Numbers that were taken and not kept are taken again."""
        with pytest.raises(KeyError):
            async with worker.transaction(tenant_id) as connection:
                await store.finish_any_tenant(connection, [AttemptEnd(claim, SUCCESS) for claim in some])
                raise KeyError
        await end_some(some)

    groups = [claims[start : start + 6] for start in range(0, len(claims), 6)]
    acts = [chance.choice([end_some, end_some, hold_open, roll_back])(group) for group in groups]
    acts += [cancel(api, tenant_id, task_id) for task_id in cancelled]  # type: ignore[misc]
    acts += [expire(worker, tenant_id, [task_id]) for task_id in expired]  # type: ignore[misc]
    chance.shuffle(acts)
    # Not more than there are connections: nobody has to wait for one.
    at_once = asyncio.Semaphore(8)

    async def take_turn(act: Awaitable[Any]) -> None:
        async with at_once:
            await act

    reading = asyncio.create_task(reader.read(stopping))
    async with asyncio.timeout(60):
        await asyncio.gather(*(take_turn(act) for act in acts))
        stopping.set()
        await reading
    await api.close()
    # Each task that is not back in line has exactly one event.
    ended = await yard.owner.fetch(
        "SELECT id FROM task WHERE tenant_id = $1 AND finished_at IS NOT NULL ORDER BY id", tenant_id
    )
    said = await _said(yard, tenant_id)
    assert sorted(task_id for _, task_id, _ in said) == [row["id"] for row in ended]
    assert len(ended) > 200
    assert len(reader.seen) == len(said) == (await _heads(yard, tenant_id))[0]
    assert reader.pages > len(said) / 7
