"""The loop that delivers: it outlives whatever one of its turns raises, and keeps healthy endpoints supplied."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from app.core.config import get_settings
from app.core.secrets import get_secrets
from app.db import Database
from app.outbound.destinations import Destinations
from app.webhooks import store
from app.webhooks.delivery import in_flight, process
from app.webhooks.delivery.attempt import LEASE, DeliveryAttempts
from app.webhooks.delivery.in_flight import Deliveries
from app.webhooks.delivery.sender import Sender
from tests.webhooks.conftest import Customer, Rows, ended
from tests.webhooks.receiver import Receiver, hang, status

_WAITING_CLAIMS = (
    "SELECT count(*) FROM pg_stat_activity WHERE usename = 'tq_webhook' AND wait_event_type = 'Lock'"
    " AND query LIKE '%attempt = d.attempt + (taken%'"
)


@pytest.fixture
def _settings(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> Iterator[None]:
    """Let this process be one of the run's."""
    for name in ("DATABASE_URL", "REDIS_URL", "SECRETS_FILE"):
        monkeypatch.setenv(name, environment[name])
    yield
    get_settings.cache_clear()
    get_secrets.cache_clear()


@pytest.mark.usefixtures("_settings")
async def test_an_error_that_nobody_thought_of_is_named_and_the_next_turn_is_taken(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    stopping, look = asyncio.Event(), store.oldest_due_any_tenant
    errors: list[Exception] = [KeyError("a row that nobody thought of"), ValueError(), OSError()]

    async def look_after_some_errors(connection: Any, limit: int) -> Any:
        if errors:
            raise errors.pop(0)
        stopping.set()
        return await look(connection, limit)

    monkeypatch.setattr(store, "oldest_due_any_tenant", look_after_some_errors)
    monkeypatch.setattr("app.core.duty._FIRST_PAUSE", 0.01)
    async with asyncio.timeout(20):
        await process.run(stopping)
    lines: list[Any] = [record for record in caplog.records if record.message == "a duty has failed"]
    assert [(line.duty, line.failures) for line in lines] == [("deliver", 1), ("deliver", 2)]
    assert [record.message for record in caplog.records].count("webhooks wait for Postgres") == 1


@pytest.mark.usefixtures("_settings")
async def test_a_healthy_endpoint_is_supplied_while_two_others_hang(
    monkeypatch: pytest.MonkeyPatch, rows: Rows, receiver: Receiver, customer: Customer
):
    # One look is all there is: what follows it is started because a place has become free.
    monkeypatch.setattr(in_flight, "_INTERVAL", 60.0)
    monkeypatch.setenv("WEBHOOK_ALLOWED_NETWORKS", "127.0.0.0/8")
    get_settings.cache_clear()
    hanging, healthy = (
        [receiver.on(path, hang) for path in ("/hangs-1", "/hangs-2")],
        receiver.on("/healthy", status(204)),
    )
    ends = [ended(customer.id, url) for url in (*hanging * 4, *[healthy] * 20)]
    await asyncio.to_thread(rows.emit, *ends)
    stopping = asyncio.Event()
    running = asyncio.create_task(process.run(stopping))
    await asyncio.to_thread(receiver.wait_for, "/healthy", 20)
    receiver.let_go.set()
    stopping.set()
    await running


@pytest.mark.usefixtures("_settings")
async def test_what_postgres_claims_after_the_process_gave_up_is_due_again_at_once_and_loses_no_attempt(
    monkeypatch: pytest.MonkeyPatch, rows: Rows, customer: Customer, environment: dict[str, str]
):
    monkeypatch.setattr(in_flight, "_CLAIM_TIMEOUT", 0.5)
    [task_id] = await asyncio.to_thread(rows.emit, ended(customer.id, "https://late.example.com/"))
    database = Database("tq_webhook", size=2)
    sender = Sender(Destinations(get_settings().webhook_allowed_networks, frozenset()))
    deliveries = Deliveries(database, DeliveryAttempts(database, sender, get_secrets()))
    owner = await asyncpg.connect(environment["DATABASE_URL"])
    changes = "SELECT count(*) FROM delivery WHERE task_id = $1 AND attempt = 0 AND xmin <> $2::text::xid"
    try:
        # Prepared before the lock, which it would wait for: a statement that is only being prepared takes nothing.
        async with database.connection() as connection:
            await store.claim_any_tenant(connection, [], LEASE)
        before = await owner.fetchval("SELECT xmin::text FROM delivery WHERE task_id = $1", task_id)
        async with owner.transaction():
            # The claim waits for the lock, as it would wait for a server that stands still. Reads go on.
            await owner.execute("LOCK TABLE delivery IN EXCLUSIVE MODE")
            with pytest.raises(TimeoutError):
                await deliveries.claim_due()
            assert await owner.fetchval(_WAITING_CLAIMS) == 1
        # Claimed by Postgres, and given back by the process: the row has changed, and no attempt was counted.
        async with asyncio.timeout(20):
            while not await owner.fetchval(changes, task_id, before):  # noqa: ASYNC110 the server's state
                await asyncio.sleep(0.05)
        row = await asyncio.to_thread(rows.delivery, task_id)
        assert (row["status"], row["claim_token"]) == ("PENDING", None)
        assert row["due_in"] <= timedelta(0)
    finally:
        await deliveries.drain()
        await database.close()
        await owner.close()
