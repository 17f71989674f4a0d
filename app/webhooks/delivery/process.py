"""Run the process that delivers: make deliveries of events, claim what is due, and start an attempt for each claim."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg

from app.core.config import get_settings
from app.core.duty import Duty
from app.core.errors import Unavailable
from app.core.log_limiter import LogLimiter
from app.core.secrets import get_secrets
from app.db import AWAY, Database
from app.outbound.destinations import Destinations
from app.processes import heartbeat, schema
from app.processes.heartbeat import Rounds
from app.webhooks.delivery import deleted_endpoints, in_flight
from app.webhooks.delivery.attempt import DeliveryAttempts
from app.webhooks.delivery.fan_out import FanOut
from app.webhooks.delivery.in_flight import Deliveries
from app.webhooks.delivery.sender import Sender

_log = logging.getLogger(__name__)
_log_limiter = LogLimiter(_log)

_AWAY_INTERVAL: Final = 1.0
_END_TIMEOUT: Final = 5.0
_AWAY: Final = (Unavailable, *AWAY, asyncpg.PostgresError)


async def run(stopping: asyncio.Event) -> None:
    """Deliver until ``stopping`` is set, then wait for the deliveries in flight."""
    settings, secrets = get_settings(), get_secrets()
    database = Database("tq_webhook")
    destinations = Destinations.of(settings, settings.webhook_allowed_networks)
    sender = Sender(destinations, deadline=settings.webhook_timeout_seconds, keeps_connections=True)
    attempts = DeliveryAttempts(database, sender, secrets, settings.webhook_time_scale)
    deliveries = Deliveries(database, attempts)
    fan_out = FanOut(database, settings.redis_url, deliveries.wake)
    rounds = Rounds()
    beating = asyncio.create_task(heartbeat.beat(database, "webhooks", rounds), name="heartbeat")
    _log.info("webhooks are delivered")
    try:
        await schema.wait_until_it_fits(database, stopping)
        await fan_out.start()
        making = asyncio.create_task(_repeat("fan out", fan_out.round, stopping, lambda: None), name="fan out")
        skip = _repeat("skip", lambda: _skip(database, stopping), stopping, lambda: None)
        skipping = asyncio.create_task(skip, name="skip")
        waking = asyncio.create_task(_wake_when(stopping, fan_out, deliveries), name="wake")
        await _repeat("deliver", lambda: _deliver(deliveries), stopping, rounds.ended)
        await asyncio.gather(making, skipping, waking)
        await deliveries.drain()
    finally:
        sender.close()
        await fan_out.close()
        beating.cancel()
        await asyncio.wait([beating], timeout=_END_TIMEOUT)
        await database.close()


async def _repeat(
    name: str, work: Callable[[], Awaitable[None]], stopping: asyncio.Event, done: Callable[[], None]
) -> None:
    """Do this again and again until ``stopping`` is set; ``done`` is called after each time."""
    duty = Duty(name, passes=lambda error: isinstance(error, _AWAY) and not isinstance(error, ValueError))
    while not stopping.is_set():
        try:
            # Any other error costs a pause: the deliveries in flight go on, and so does the process.
            await duty.run(work)
            await in_flight.wait(stopping, duty.seconds_left)
        except _AWAY as error:
            _log_limiter.warn("webhooks wait for Postgres", reason=type(error).__name__)
            await in_flight.wait(stopping, _AWAY_INTERVAL)
        done()


async def _wake_when(stopping: asyncio.Event, fan_out: FanOut, deliveries: Deliveries) -> None:
    await stopping.wait()
    fan_out.wake()
    deliveries.wake()


async def _skip(database: Database, stopping: asyncio.Event) -> None:
    if not await deleted_endpoints.skip_waiting(database):
        await in_flight.wait(stopping, deleted_endpoints.INTERVAL)


async def _deliver(deliveries: Deliveries) -> None:
    await deliveries.claim_due()
    await deliveries.refill_until_next_look()
