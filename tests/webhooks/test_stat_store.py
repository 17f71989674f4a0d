"""Counts of attempts: one row for each bucket, counted with the attempt or not at all, and deleted after their time."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.db import Database
from app.webhooks import durations, stat_store, status_classes
from tests.conftest import role_url
from tests.webhooks.conftest import Customer


@pytest.fixture
async def owner(environment: dict[str, str], customer: Customer) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """A connection as the owner, to a database without counts."""
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    await connection.execute("DELETE FROM webhook_stat")
    yield connection
    await connection.execute("DELETE FROM webhook_stat")
    await connection.close()


@pytest.fixture
async def webhook(environment: dict[str, str]) -> AsyncIterator[Database]:
    """The role of the process that delivers."""
    database = Database("tq_webhook", size=4, url=role_url(environment, "tq_webhook"))
    yield database
    await database.close()


async def _count(
    webhook: Database, tenant_id: UUID, *statuses: int | None, is_first: bool = True, endpoint_id: UUID | None = None
) -> None:
    """Count attempts in one call, as the statement that records them does."""
    count, endpoint = len(statuses), endpoint_id or UUID(int=0)
    async with webhook.transaction(tenant_id) as connection:
        await connection.execute(
            "SELECT webhook_stat_count($1, $2, $3, $4, $5, $6, $7)",
            [tenant_id] * count, [endpoint] * count, ["task.failed"] * count,
            [status_classes.of(status) for status in statuses], [is_first] * count,
            [durations.place(100) + 1] * count, durations.COUNT,
        )  # fmt: skip


async def test_attempts_at_the_same_time_are_all_counted(owner: Any, webhook: Database, customer: Customer):
    await asyncio.gather(*(_count(webhook, customer.id, 204, is_first=n % 3 == 0) for n in range(30)))
    rows = await owner.fetch("SELECT *, date_trunc(bucket, now(), 'UTC') AS begin FROM webhook_stat")
    # A minute, an hour or a day may have begun meanwhile.
    for bucket in ("minute", "hour", "day"):
        of_bucket = [row for row in rows if row["bucket"] == bucket]
        assert sum(row["attempts"] for row in of_bucket) == 30
        assert sum(row["first_attempts"] for row in of_bucket) == 10
        assert sum(sum(row["histogram"]) for row in of_bucket) == 30
        assert all(row["begin"] - row["at"] in (timedelta(), _LENGTHS[bucket]) for row in of_bucket)


_LENGTHS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}


async def test_attempts_of_one_call_are_counted_in_the_buckets_of_their_durations(
    owner: Any, webhook: Database, customer: Customer
):
    for _ in range(2):
        await _count(webhook, customer.id, 204, 204, 500)
    rows = await owner.fetch("SELECT status_class, attempts, histogram FROM webhook_stat WHERE bucket = 'day'")
    # A day may have begun meanwhile.
    for kind, count in (("2xx", 4), ("5xx", 2)):
        of_kind = [row for row in rows if row["status_class"] == kind]
        assert sum(row["attempts"] for row in of_kind) == count
        assert sum(row["histogram"][durations.place(100)] for row in of_kind) == count
        assert all(len(row["histogram"]) == durations.COUNT for row in of_kind)


async def _sums(environment: dict[str, str], tenant_id: UUID, by: str | None) -> Any:
    reader = Database("tq_api", size=1, url=role_url(environment, "tq_api"))
    now = datetime.now(UTC)
    try:
        async with reader.transaction(tenant_id) as connection:
            return await stat_store.sums(
                connection, tenant_id, since=now - timedelta(days=1), until=now + timedelta(days=1), bucket="day", by=by
            )
    finally:
        await reader.close()


async def test_a_tenant_sees_its_own_sums_by_series(
    webhook: Database, environment: dict[str, str], customer: Customer, neighbour: Customer, owner: Any
):
    endpoint_id = uuid.uuid4()
    await _count(webhook, customer.id, 204)
    await _count(webhook, customer.id, 500, endpoint_id=endpoint_id)
    await _count(webhook, customer.id, None, is_first=False, endpoint_id=endpoint_id)
    await _count(webhook, neighbour.id, 204)
    [row] = await _sums(environment, customer.id, None)
    assert (row["attempts"], row["failures"], row["first_attempts"], sum(row["histogram"])) == (3, 2, 2, 3)
    found = {row["series"]: row["attempts"] for row in await _sums(environment, customer.id, "endpoint")}
    assert found == {str(UUID(int=0)): 1, str(endpoint_id): 2}
    found = {row["series"]: row["failures"] for row in await _sums(environment, customer.id, "status")}
    assert found == {"2xx": 0, "5xx": 1, "none": 1}


async def test_too_many_rows_are_not_added_up(
    webhook: Database, environment: dict[str, str], customer: Customer, owner: Any, monkeypatch: pytest.MonkeyPatch
):
    for _ in range(3):
        await _count(webhook, customer.id, 204, endpoint_id=uuid.uuid4())
    monkeypatch.setattr(stat_store, "MAX_ROWS_READ", 2)
    assert await _sums(environment, customer.id, None) is None


async def test_each_bucket_is_kept_for_its_time(owner: Any, customer: Customer):
    ages = {"minute": (1, 4), "hour": (30, 37), "day": (360, 403)}
    for bucket, days in ages.items():
        for age in days:
            await owner.execute(
                "INSERT INTO webhook_stat (tenant_id, bucket, at, endpoint_id, event_type, status_class, attempts,"
                " first_attempts, histogram) VALUES ($1, $2, now() - make_interval(days => $3), $1, 'a', '2xx', 1, 1, '{}')",
                customer.id, bucket, age,
            )  # fmt: skip
    assert await owner.fetchval("SELECT prune_account($1, 500)", customer.id) == 3
    kept = await owner.fetch(
        "SELECT bucket, round(extract(epoch FROM now() - at) / 86400)::int AS age FROM webhook_stat"
    )
    assert {row["bucket"]: row["age"] for row in kept} == {bucket: days[0] for bucket, days in ages.items()}


async def test_the_totals_are_those_of_each_endpoint_or_of_one(
    webhook: Database, environment: dict[str, str], owner: Any, customer: Customer
):
    first, since = uuid.uuid4(), datetime.now(UTC) - timedelta(hours=24)
    await _count(webhook, customer.id, 204, 500, None, endpoint_id=first)
    await _count(webhook, customer.id, 204, is_first=False)
    api = Database("tq_api", size=1, url=role_url(environment, "tq_api"))
    try:
        async with api.transaction(customer.id) as connection:
            rows = await stat_store.totals(connection, customer.id, since=since)
            assert rows is not None
            found = {row["endpoint_id"]: (row["deliveries"], row["attempts"], row["failures"]) for row in rows}
            assert found == {first: (3, 3, 2), UUID(int=0): (0, 1, 0)}
            [one] = await stat_store.totals(connection, customer.id, since=since, endpoint_id=first) or []
            assert (one["endpoint_id"], one["attempts"]) == (first, 3)
            assert await stat_store.totals(connection, uuid.uuid4(), since=since) == []
    finally:
        await api.close()
