"""The SQL of deliveries: what each statement finds, what it costs, and what the role may not see."""

import itertools
import json
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.db import Database
from app.webhooks import attempt_store, store
from app.webhooks.attempt_store import EndedAttempt
from app.webhooks.store import START, DeliveryClaim
from app.webhooks.url_key import EndpointKey
from tests.conftest import role_url
from tests.webhooks.conftest import Customer

LEASE = timedelta(seconds=60)


@pytest.fixture
async def webhook(environment: dict[str, str]) -> AsyncIterator[asyncpg.Connection]:
    """A connection as tq_webhook, as the process has it."""
    database = Database("tq_webhook", size=1, url=role_url(environment, "tq_webhook"))
    async with database.connection() as connection:
        yield connection
    await database.close()


@pytest.fixture
async def owner(environment: dict[str, str], customer: Customer) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the owner, to a database without deliveries."""
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    await connection.execute("DELETE FROM delivery")
    yield connection
    await connection.execute("DELETE FROM delivery")
    await connection.close()


async def _insert(owner: asyncpg.Connection, tenant_id: UUID, endpoint: str, count: int, due_in: float = 0) -> None:
    """Insert deliveries to one endpoint, or to one each where the endpoint has a ``%s``."""
    await owner.execute(
        "INSERT INTO delivery (tenant_id, id, event_id, event_seq, task_id, event_type, url, url_key, body, due_at)"
        " SELECT $1, gen_random_uuid(), gen_random_uuid(), 1, gen_random_uuid(), 'task.succeeded', u, u, '{}',"
        " now() + make_interval(secs => $4 - n * 1e-3)"
        " FROM generate_series(1, $3::int) n, LATERAL (SELECT format($2, lpad(n::text, 6, '0')) AS u) AS x",
        tenant_id, endpoint, count, due_in,
    )  # fmt: skip


async def _rotate(webhook: asyncpg.Connection, full: list[UUID], endpoints: int, each: int) -> list[list[EndpointKey]]:
    """Go once round all endpoints; return the due endpoints of each page."""
    pages, place = list[list[EndpointKey]](), START
    while True:
        due, beyond = await store.due_by_endpoint_any_tenant(
            webhook, place, full_tenants=full, endpoints=endpoints, each=each
        )
        pages.append([one.endpoint_key for one in due])
        if beyond is None:
            return pages
        place = beyond


async def test_those_due_longest_are_found_first(webhook: Any, owner: Any, customer: Customer):
    await _insert(owner, customer.id, "https://b.example.com/", 3)
    await _insert(owner, customer.id, "https://later.example.com/", 3, due_in=60)
    await _insert(owner, customer.id, "https://a.example.com/", 1, due_in=-60)
    due = await store.oldest_due_any_tenant(webhook, 3)
    assert [one.endpoint_key[1] for one in due] == ["https://a.example.com/", *["https://b.example.com/"] * 2]


async def test_a_rotation_sees_every_endpoint_once_and_a_few_of_each(
    webhook: Any, owner: Any, customer: Customer, neighbour: Customer
):
    for tenant in (customer, neighbour):
        await _insert(owner, tenant.id, "https://a.example.com/", 9)
        await _insert(owner, tenant.id, "https://b.example.com/", 2)
        await _insert(owner, tenant.id, "https://later.example.com/", 5, due_in=60)
    pages = await _rotate(webhook, [], 2, 4)
    assert sorted(endpoint for page in pages for endpoint in page) == sorted(
        [(tenant.id, "https://a.example.com/") for tenant in (customer, neighbour)] * 4
        + [(tenant.id, "https://b.example.com/") for tenant in (customer, neighbour)] * 2
    )
    assert all(len(set(page)) <= 2 for page in pages)


async def test_what_is_due_at_a_few_endpoints_is_found_by_them(webhook: Any, owner: Any, customer: Customer):
    for endpoint, count in (
        ("https://a.example.com/", 9),
        ("https://b.example.com/", 2),
        ("https://c.example.com/", 5),
    ):
        await _insert(owner, customer.id, endpoint, count)
    endpoints = [(customer.id, f"https://{name}.example.com/") for name in ("a", "b", "unknown")]
    due = await store.due_at_endpoints_any_tenant(webhook, endpoints, each=4)
    assert sorted(one.endpoint_key[1] for one in due) == ["https://a.example.com/"] * 4 + ["https://b.example.com/"] * 2


async def test_a_full_tenants_endpoints_are_passed_over(
    webhook: Any, owner: Any, customer: Customer, neighbour: Customer
):
    await _insert(owner, customer.id, "HTTPS://hangs.example.com/%s", 50)
    await _insert(owner, customer.id, "https://hangs.example.com/%s", 50)
    await _insert(owner, neighbour.id, "https://well.example.com/", 1)
    [page] = await _rotate(webhook, [customer.id], 10, 4)
    assert (neighbour.id, "https://well.example.com/") in page
    assert len(page) == 2


async def test_a_claim_takes_what_is_due_once_with_the_secrets_that_hold(webhook: Any, owner: Any, customer: Customer):
    await _insert(owner, customer.id, "https://a.example.com/", 2)
    old, expired = uuid.uuid4(), uuid.uuid4()
    await owner.execute(
        "INSERT INTO webhook_secret (tenant_id, id, sealed, created_at, expires_at) VALUES"
        " ($1, $2, 'old', now() - interval '1 day', now() + interval '1 hour'),"
        " ($1, $3, 'expired', now(), now() - interval '1 second')",
        customer.id, old, expired,
    )  # fmt: skip
    try:
        due = await store.oldest_due_any_tenant(webhook, 10)
        claims = await store.claim_any_tenant(webhook, due, LEASE)
        assert await store.claim_any_tenant(webhook, due, LEASE) == []
    finally:
        await owner.execute("DELETE FROM webhook_secret WHERE id = ANY($1)", [old, expired])
    assert {claim.id for claim in claims} == {one.id for one in due}
    assert len({claim.claim_token for claim in claims}) == 2
    assert all(claim.attempt == 1 for claim in claims)
    assert [len(claim.secrets) for claim in claims] == [2, 2]
    assert all(claim.secrets[-1] == (old, "old") for claim in claims)


async def _claim_one(webhook: Any, owner: Any, customer: Customer) -> DeliveryClaim:
    await _insert(owner, customer.id, "https://a.example.com/", 1)
    [claim] = await store.claim_any_tenant(webhook, await store.oldest_due_any_tenant(webhook, 1), LEASE)
    return claim


async def _record(webhook: Any, claim: DeliveryClaim, status: str) -> bool:
    ended = EndedAttempt(claim, status, timedelta(seconds=100), 5, response_status=500, error=None)
    found = await attempt_store.record_any_tenant(
        webhook, [ended], failing_after=timedelta(hours=1), disabled_after=timedelta(days=5)
    )
    return claim.id in found


@pytest.mark.parametrize("status", ["DELIVERED", "FAILED", "PENDING"])
async def test_a_try_is_recorded_once_by_its_token(webhook: Any, owner: Any, customer: Customer, status: str):
    claim = await _claim_one(webhook, owner, customer)
    assert await _record(webhook, claim, status)
    assert not await _record(webhook, claim, status)
    row = await owner.fetchrow("SELECT *, due_at - now() AS due_in FROM delivery WHERE id = $1", claim.id)
    assert (row["status"], row["claim_token"], row["finished_at"] is None) == (status, None, status == "PENDING")
    if status == "PENDING":
        assert timedelta(seconds=95) < row["due_in"] < timedelta(seconds=101)
    [attempt] = await owner.fetch("SELECT * FROM delivery_attempt WHERE delivery_id = $1", claim.id)
    assert (attempt["attempt"], attempt["response_status"], attempt["duration_ms"]) == (1, 500, 5)
    assert attempt["started_at"] == claim.claimed_at


async def test_a_claim_that_was_lost_records_nothing(webhook: Any, owner: Any, customer: Customer):
    lost = await _claim_one(webhook, owner, customer)
    await owner.execute("UPDATE delivery SET due_at = now()")
    [again] = await store.claim_any_tenant(webhook, await store.oldest_due_any_tenant(webhook, 1), LEASE)
    assert not await _record(webhook, lost, "FAILED")
    await store.release_any_tenant(webhook, [lost])
    assert await _record(webhook, again, "DELIVERED")
    assert again.attempt == 2


async def test_a_claim_that_is_released_is_due_again_and_no_try(webhook: Any, owner: Any, customer: Customer):
    await store.release_any_tenant(webhook, [await _claim_one(webhook, owner, customer)])
    [again] = await store.claim_any_tenant(webhook, await store.oldest_due_any_tenant(webhook, 1), LEASE)
    assert again.attempt == 1


@pytest.mark.parametrize("table", ["task", "result", "attempt", "api_key", "tenant", "backlog", "audit_event"])
async def test_the_role_sees_nothing_else(webhook: Any, table: str):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await webhook.fetch(f"SELECT FROM {table}")


@pytest.mark.parametrize(
    "statement", ["UPDATE delivery SET url = 'x'", "UPDATE delivery SET body = 'x'", "DELETE FROM delivery"]
)
async def test_the_role_cannot_change_what_is_sent(webhook: Any, statement: str):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await webhook.execute(statement)


@pytest.fixture
async def crowd(owner: Any, customer: Customer, neighbour: Customer) -> None:
    """20,000 due at one endpoint, 3,000 waiting at as many, and one that is due behind them all."""
    await _insert(owner, customer.id, "https://hangs.example.com/", 20_000)
    await _insert(owner, customer.id, "https://later.example.com/%s", 3_000, due_in=3_600)
    await _insert(owner, neighbour.id, "https://well.example.com/", 1)
    await owner.execute("UPDATE delivery SET due_at = now() WHERE tenant_id = $1", neighbour.id)
    await owner.execute("VACUUM (ANALYZE) delivery")


STATEMENTS = {
    "look": (store._OLDEST_DUE, "bigint", "500", 700),
    "refill": (
        store._DUE_AT_ENDPOINTS,
        "uuid[], text[], bigint",
        "ARRAY['TENANT'::uuid], ARRAY['https://hangs.example.com/'], 4",
        60,
    ),
    "skip scan": (
        store._DUE_BY_ENDPOINT,
        "uuid, text, uuid[], int, bigint",
        f"'{START[0]}', '', '{{}}', 200, 4",
        2_000,
    ),
}


@pytest.mark.usefixtures("crowd")
async def test_a_crowd_at_one_endpoint_costs_a_look_no_more_than_its_limit(webhook: Any, customer: Customer):
    for (name, (sql, types, values, most_blocks)), mode in itertools.product(STATEMENTS.items(), ("generic", "custom")):
        async with webhook.transaction():
            await webhook.execute(f"SET LOCAL plan_cache_mode = force_{mode}_plan")
            plan = await _explain(webhook, sql, types, values.replace("TENANT", str(customer.id)))
        assert not _is_scanned_through(plan), (name, mode)
        assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < most_blocks, (name, mode)


@pytest.mark.usefixtures("crowd")
async def test_one_that_is_due_behind_a_crowd_is_found_in_one_rotation_and_claimed_by_its_key(
    webhook: Any, neighbour: Customer
):
    oldest = await store.oldest_due_any_tenant(webhook, 500)
    assert neighbour.id not in {one.endpoint_key[0] for one in oldest}
    pages = await _rotate(webhook, [], 200, 4)
    assert len(pages) == 16
    assert [endpoint for page in pages for endpoint in page if endpoint[0] == neighbour.id] == [
        (neighbour.id, "https://well.example.com/")
    ]
    keys = ", ".join(
        "ARRAY[" + ",".join(f"'{one}'" for one in ids) + "]::uuid[]"
        for ids in ([one.endpoint_key[0] for one in oldest[:16]], [one.id for one in oldest[:16]])
    )
    plan = await _explain(
        webhook,
        store._CLAIM,
        "uuid[], uuid[], interval, uuid, text, text",
        f"{keys}, '60 seconds', gen_random_uuid(), 'off', 'gone'",
    )
    assert not _is_scanned_through(plan)
    bounds = "'00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'"
    plan = await _explain(webhook, store._RELEASE_UNANSWERED, "uuid[], uuid[], uuid, uuid", f"{keys}, {bounds}")
    assert not _is_scanned_through(plan)


async def _explain(webhook: asyncpg.Connection, sql: str, types: str, values: str) -> dict[str, Any]:
    await webhook.execute(f"PREPARE looked ({types}) AS {sql}")
    plan = await webhook.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE looked ({values})")
    await webhook.execute("DEALLOCATE looked")
    [top] = json.loads(plan) if isinstance(plan, str) else plan
    return dict(top["Plan"])


def _is_scanned_through(plan: dict[str, Any]) -> bool:
    is_scan = plan["Node Type"] == "Seq Scan" and plan["Relation Name"] == "delivery"
    return is_scan or any(_is_scanned_through(below) for below in plan.get("Plans", []))
