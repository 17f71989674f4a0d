"""Endpoints of one tenant that hang and fail, by the thousand, do not delay what another tenant gets."""

import asyncio
import statistics
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from app.broker import wakeups
from app.core import ids, secrets
from app.core import redis as redis_connections
from app.tenants import webhook_secrets
from app.tenants.sealed_values import ENDPOINT_SECRET
from scripts.stack import ports
from tests.conftest import wait_until
from tests.webhooks.conftest import Customer, Deliverer, Rows, ended
from tests.webhooks.receiver import Receiver, hang, status

_EVENTS = 15
_MAX_DELAY = 0.5
"""Seconds that others may add."""

_ENDPOINTS = """
INSERT INTO endpoint (tenant_id, id, url, event_types, after_seq)
SELECT $1, id, url, '{task.succeeded}', 0 FROM unnest($2::uuid[], $3::text[]) AS e (id, url)
"""
_SECRETS = """
INSERT INTO endpoint_secret (tenant_id, endpoint_id, id, sealed)
SELECT $1, endpoint_id, endpoint_id, sealed FROM unnest($2::uuid[], $3::text[]) AS s (endpoint_id, sealed)
"""


def _make_endpoints(rows: Rows, tenant_id: UUID, keys: secrets.Secrets, urls: list[str]) -> None:
    made = [ids.new_id() for _ in urls]
    text = webhook_secrets.generate()
    sealed = [webhook_secrets.seal(text, tenant_id, one, keys, ENDPOINT_SECRET) for one in made]
    rows.fetch(_ENDPOINTS, tenant_id, made, urls)
    rows.fetch(_SECRETS, tenant_id, made, sealed)
    rows.fetch("UPDATE tenant_slots SET features = features | 2 WHERE tenant_id = $1", tenant_id)


def _end_tasks(rows: Rows, redis_url: str, tenant_id: UUID, *urls: str | None) -> float:
    """Store the ends of tasks, and wake who sends webhooks, as a worker does; return when the ends were there."""

    async def wake() -> None:
        redis = redis_connections.connect(redis_url)
        await wakeups.publish_done(redis, [], [tenant_id])
        await redis.aclose()

    rows.store(*(ended(tenant_id, url) for url in urls))
    at = time.monotonic()
    asyncio.run(wake())
    return at


def _delays(rows: Rows, redis_url: str, tenant_id: UUID, receiver: Receiver) -> list[float]:
    """Return how long each of some events of a tenant took from its commit to its receiver, one after the other."""
    delays = []
    for _ in range(_EVENTS):
        path = f"/well/{uuid.uuid4()}"
        at = _end_tasks(rows, redis_url, tenant_id, f"{receiver.url}{path}")
        [request] = receiver.wait_for(path, seconds=40)
        delays.append(request.at - at)
    return sorted(delays)


def _are_isolated(
    rows: Rows, receiver: Receiver, start: Callable[..., Deliverer], noisy: Customer, quiet: Customer,
    environment: dict[str, str], *, hanging: int, failing: int,
) -> None:  # fmt: skip
    redis_url, keys = environment["REDIS_URL"], secrets.load(Path(environment["SECRETS_FILE"]))
    urls = [receiver.on(f"/hangs/{number}", hang) for number in range(hanging)]
    urls += [receiver.on(f"/fails/{number}", status(500)) for number in range(0, failing, 2)]
    urls += [f"http://127.0.0.1:{ports.free_port()}/refused/{number}" for number in range(1, failing, 2)]
    _make_endpoints(rows, noisy.id, keys, urls)
    start(WEBHOOK_TIMEOUT_SECONDS="5")
    alone = _delays(rows, redis_url, quiet.id, receiver)
    # Each event goes to every endpoint of the noisy tenant, so its deliveries are made, sent and sent again meanwhile.
    _end_tasks(rows, redis_url, noisy.id, None, None)
    waiting = "SELECT count(*) FROM delivery WHERE tenant_id = $1 AND status = 'PENDING'"
    beside = _delays(rows, redis_url, quiet.id, receiver)
    wait_until(lambda: rows.fetch(waiting, noisy.id)[0]["count"] >= len(urls), "the noisy tenant's deliveries")
    beside += _delays(rows, redis_url, quiet.id, receiver)
    assert rows.fetch(waiting, noisy.id)[0]["count"] >= len(urls) // 2, "the noise has ended too early"
    # On a machine that is slow by itself everything takes longer, and so does what others add.
    slowness = max(1.0, statistics.median(alone) / 0.15)
    added = sorted(beside)[-2] - statistics.median(alone)
    assert added <= _MAX_DELAY * slowness, (alone, beside)


@pytest.fixture
def noisy(make_customer: Callable[[], Customer], rows: Rows) -> Customer:
    made = make_customer()
    rows.fetch("INSERT INTO webhook_cursor (tenant_id) VALUES ($1) ON CONFLICT DO NOTHING", made.id)
    return made


def test_forty_hanging_and_six_hundred_failing_endpoints_delay_no_other_tenant(
    rows: Rows, receiver: Receiver, start: Callable[..., Deliverer], noisy: Customer, customer: Customer,
    environment: dict[str, str],
):  # fmt: skip
    _are_isolated(rows, receiver, start, noisy, customer, environment, hanging=40, failing=600)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_390_hanging_and_6000_failing_endpoints_delay_no_other_tenant(
    rows: Rows, receiver: Receiver, start: Callable[..., Deliverer], noisy: Customer, customer: Customer,
    environment: dict[str, str],
):  # fmt: skip
    _are_isolated(rows, receiver, start, noisy, customer, environment, hanging=390, failing=6_000)
