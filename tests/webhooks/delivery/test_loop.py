"""The loop that delivers: it outlives whatever one of its turns raises, and keeps healthy endpoints supplied."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from app.core.config import get_settings
from app.core.secrets import get_secrets
from app.webhooks import store
from app.webhooks.delivery import process
from tests.webhooks.conftest import Customer, Rows, ended
from tests.webhooks.receiver import Receiver, hang, status


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
    monkeypatch.setattr(process, "_INTERVAL", 60.0)
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
