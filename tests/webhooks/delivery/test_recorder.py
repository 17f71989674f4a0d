"""Attempts are recorded in groups, and one that cannot be recorded does not keep the others waiting."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.db import Database
from app.webhooks import attempt_store
from app.webhooks.attempt_store import EndedAttempt
from app.webhooks.delivery.recorder import Recorder
from app.webhooks.store import DeliveryClaim
from tests.conftest import role_url
from tests.webhooks.conftest import Customer

_CLAIMED = """
INSERT INTO delivery (tenant_id, id, event_id, event_seq, event_type, url, url_key, body, attempt, due_at, claim_token)
SELECT $1, id, id, 1, 'task.succeeded', 'https://a.example.com/', 'https://a.example.com/', '{}', 1, now() + interval '1 minute', id
FROM unnest($2::uuid[]) AS u (id)
"""

_ENDPOINT = """
INSERT INTO endpoint (tenant_id, id, url, event_types, after_seq)
VALUES ($1, $2, 'https://a.example.com/', ARRAY['task.succeeded'], 0)
"""


@pytest.fixture
async def owner(environment: dict[str, str]) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """A connection as the owner, to a database without deliveries."""
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    await connection.execute("DELETE FROM delivery")
    yield connection
    await connection.execute("DELETE FROM delivery")
    await connection.close()


@pytest.fixture
async def database(environment: dict[str, str]) -> AsyncIterator[Database]:
    """The role of the process that delivers."""
    made = Database("tq_webhook", size=4, url=role_url(environment, "tq_webhook"))
    yield made
    await made.close()


async def _claimed(owner: Any, tenant_id: UUID, count: int) -> list[EndedAttempt]:
    """Insert claimed deliveries; return attempts of them that have succeeded."""
    ids = [uuid.uuid4() for _ in range(count)]
    await owner.execute(_CLAIMED, tenant_id, ids)
    return [EndedAttempt(_claim(tenant_id, one), "DELIVERED", timedelta(), 3, 204, None) for one in ids]


def _claim(tenant_id: UUID, delivery_id: UUID) -> DeliveryClaim:
    return DeliveryClaim(
        tenant_id, delivery_id, delivery_id, None, None, is_test=False, url="", url_key="", body="{}", attempt=1,
        schedule_from=0, event_type="task.succeeded", claim_token=delivery_id, claimed_at=datetime.now(UTC), secrets=[],
    )  # fmt: skip


async def _record_all(recorder: Recorder, attempts: list[EndedAttempt], seconds: float = 10) -> list[bool]:
    until = time.monotonic() + seconds
    return await asyncio.gather(*(recorder.record(one, until=until) for one in attempts))


async def test_attempts_that_end_together_are_one_statement(
    owner: Any, database: Database, customer: Customer, neighbour: Customer, monkeypatch: pytest.MonkeyPatch
):
    sizes, record = list[int](), attempt_store.record_any_tenant

    async def count(connection: Any, ended: Any, **times: Any) -> Any:
        sizes.append(len(ended))
        return await record(connection, ended, **times)

    monkeypatch.setattr(attempt_store, "record_any_tenant", count)
    attempts = await _claimed(owner, customer.id, 20) + await _claimed(owner, neighbour.id, 10)
    lost = replace(attempts[3], claim=replace(attempts[3].claim, claim_token=uuid.uuid4()))
    attempts[3] = lost
    assert await _record_all(Recorder(database), attempts) == [one is not lost for one in attempts]
    assert sum(sizes) == 30
    assert len(sizes) <= 2
    statuses = await owner.fetch("SELECT status, count(*) AS n FROM delivery GROUP BY 1 ORDER BY 1")
    assert [(row["status"], row["n"]) for row in statuses] == [("DELIVERED", 29), ("PENDING", 1)]
    counted = "SELECT sum(attempts) FROM webhook_stat WHERE tenant_id = $1 AND bucket = 'day'"
    assert await owner.fetchval("SELECT count(*) FROM delivery_attempt") == 29
    assert await owner.fetchval(counted, neighbour.id) >= 10


async def test_one_that_cannot_be_recorded_does_not_keep_the_others(owner: Any, database: Database, customer: Customer):
    attempts = await _claimed(owner, customer.id, 5)
    # No column takes it.
    attempts[2] = replace(attempts[2], duration_ms=2**31 - 1, error="\0")
    assert await _record_all(Recorder(database), attempts, seconds=0) == [True, True, False, True, True]
    assert await owner.fetchval("SELECT count(*) FROM delivery WHERE status = 'DELIVERED'") == 4


async def test_one_that_somebody_holds_does_not_keep_the_others(
    owner: Any, database: Database, customer: Customer, neighbour: Customer, environment: dict[str, str]
):
    attempts = await _claimed(owner, customer.id, 2) + await _claimed(owner, neighbour.id, 3)
    other = await asyncpg.connect(environment["DATABASE_URL"])
    try:
        # As a process does that stands still in the middle of its transaction.
        async with other.transaction():
            await other.execute("SELECT FROM delivery WHERE id = $1 FOR UPDATE", attempts[0].claim.id)
            assert await _record_all(Recorder(database), attempts, seconds=0) == [False, True, True, True, True]
    finally:
        await other.close()
    assert await _record_all(Recorder(database), attempts[:1]) == [True]


async def test_a_tenant_whose_slots_are_held_uses_one_connection_to_tell_of_its_failures(
    owner: Any, database: Database, customer: Customer, neighbour: Customer, environment: dict[str, str]
):
    endpoint_id = uuid.uuid4()
    await owner.execute(_ENDPOINT, customer.id, endpoint_id)
    failed = [
        replace(one, status="FAILED", response_status=500, claim=replace(one.claim, endpoint_id=endpoint_id))
        for one in await _claimed(owner, customer.id, 6)
    ]
    others = await _claimed(owner, neighbour.id, 3)
    recorder, other = Recorder(database), await asyncpg.connect(environment["DATABASE_URL"])
    try:
        async with other.transaction():
            await other.execute("SELECT FROM tenant_slots WHERE tenant_id = $1 FOR UPDATE", customer.id)
            telling = asyncio.create_task(_record_all(recorder, failed, seconds=60))
            await _until(lambda: _waits_for_slots(owner))
            assert await _record_all(recorder, others, seconds=0) == [True, True, True]
            assert not telling.done()
        assert await telling == [True] * 6
    finally:
        await other.close()
        await owner.execute("DELETE FROM endpoint WHERE id = $1", endpoint_id)


async def _until(is_so: Any) -> None:
    async with asyncio.timeout(20):
        while not await is_so():  # noqa: ASYNC110 Postgres is asked
            await asyncio.sleep(0.01)


async def _waits_for_slots(owner: Any) -> bool:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'tq_webhook' AND wait_event_type = 'Lock'"
    return bool(await owner.fetchval(waiting))
