"""What waits for a deleted endpoint is skipped at once, in batches; what is being sent is left to its attempt."""

import uuid
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.db import Database
from app.webhooks import store
from app.webhooks.delivery import deleted_endpoints
from tests.conftest import role_url
from tests.webhooks.conftest import Customer

_INSERT = """
INSERT INTO delivery (tenant_id, id, event_id, event_seq, endpoint_id, event_type, url, url_key, body, due_at, claim_token)
SELECT $1, gen_random_uuid(), gen_random_uuid(), 1, $2, 'task.succeeded', 'https://a.example.com/', 'endpoint:' || $2::uuid, '{}',
    now() + interval '1 hour', $4
FROM generate_series(1, $3)
"""


@pytest.fixture
async def owner(environment: dict[str, str]) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """A connection as the owner, to a database without deliveries."""
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    await connection.execute("DELETE FROM delivery; DELETE FROM endpoint_deleted")
    yield connection
    await connection.execute("DELETE FROM delivery; DELETE FROM endpoint_deleted")
    await connection.close()


@pytest.fixture
async def database(environment: dict[str, str]) -> AsyncIterator[Database]:
    """The role of the process that delivers."""
    made = Database("tq_webhook", size=2, url=role_url(environment, "tq_webhook"))
    yield made
    await made.close()


async def _counts(owner: Any, endpoint_id: UUID) -> dict[str, int]:
    rows = await owner.fetch(
        "SELECT status, count(*) AS n FROM delivery WHERE endpoint_id = $1 GROUP BY 1", endpoint_id
    )
    return {row["status"]: row["n"] for row in rows}


async def test_what_waits_is_skipped_in_batches_and_what_is_sent_is_left(
    owner: Any, database: Database, customer: Customer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(deleted_endpoints, "_BATCH", 10)
    deleted, other = uuid.uuid4(), uuid.uuid4()
    await owner.execute("INSERT INTO endpoint_deleted VALUES ($1, $2)", customer.id, deleted)
    for endpoint_id, count, token in ((deleted, 25, None), (deleted, 1, uuid.uuid4()), (other, 3, None)):
        await owner.execute(_INSERT, customer.id, endpoint_id, count, token)
    assert [await deleted_endpoints.skip_waiting(database) for _ in range(3)] == [True, True, False]
    assert await _counts(owner, deleted) == {"SKIPPED": 25, "PENDING": 1}
    assert await _counts(owner, other) == {"PENDING": 3}
    [reason] = await owner.fetch("SELECT DISTINCT skipped_reason FROM delivery WHERE status = 'SKIPPED'")
    assert reason["skipped_reason"] == store.DELETED
    # The attempt that was under way has failed, and another one would follow.
    await owner.execute("UPDATE delivery SET claim_token = NULL WHERE endpoint_id = $1", deleted)
    assert await owner.fetchval("SELECT count(*) FROM endpoint_deleted") == 1
    assert not await deleted_endpoints.skip_waiting(database)
    assert await _counts(owner, deleted) == {"SKIPPED": 26}
    assert await owner.fetchval("SELECT count(*) FROM endpoint_deleted") == 0
