"""Run the process that delivers: make deliveries of events, claim what is due, and start an attempt for each claim."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final
from uuid import UUID, uuid4

import asyncpg

from app.core import failpoints, retry
from app.core.config import get_settings
from app.core.duty import Duty
from app.core.errors import Unavailable
from app.core.log_limiter import LogLimiter
from app.core.secrets import get_secrets
from app.db import AWAY, Connection, Database
from app.processes import heartbeat, schema
from app.processes.heartbeat import Rounds
from app.webhooks import store
from app.webhooks.delivery.attempt import LEASE, DeliveryAttempts
from app.webhooks.delivery.endpoint_concurrency import PER_ENDPOINT, PER_TENANT, EndpointConcurrency
from app.webhooks.delivery.fan_out import FanOut
from app.webhooks.delivery.sender import Sender
from app.webhooks.store import START, DeliveryClaim, DueDelivery
from app.webhooks.url_key import EndpointKey

_log = logging.getLogger(__name__)
_log_limiter = LogLimiter(_log)

# For deliveries that fall due again, and for those that another process makes: this one's own wake it at once. Polled,
# because a NOTIFY would make commits wait for each other. One probe of an index finds that nothing is due.
_INTERVAL: Final = 0.25
_CLAIM_INTERVAL: Final = 0.005
"""Seconds between two claims, at least, so that each takes several deliveries."""
_AWAY_INTERVAL: Final = 1.0
_CLAIM_TIMEOUT: Final = 5.0
_DRAIN_TIMEOUT: Final = 10.0
_MAX_DUE: Final = 500
_MAX_ENDPOINTS: Final = 200
_AWAY: Final = (Unavailable, *AWAY, asyncpg.PostgresError)


class Deliveries:
    """The deliveries in flight. All of them can be lost: each falls due again when its lease ends."""

    def __init__(self, database: Database, attempts: DeliveryAttempts) -> None:
        """``database`` logs in as tq_webhook."""
        self._database = database
        self._attempts = attempts
        self._concurrency = EndpointConcurrency()
        self._in_flight: dict[asyncio.Task[None], DeliveryClaim] = {}
        self._place = START
        # Endpoints where more was due than was claimed, and those of them where a place has become free.
        self._crowded: set[EndpointKey] = set()
        self._freed: set[EndpointKey] = set()
        self._is_woken = False
        self._has_changed = asyncio.Event()
        # References, because an asyncio task that nothing refers to may be garbage-collected before it ends.
        self._giving_back: set[asyncio.Task[None]] = set()

    async def claim_due(self) -> None:
        """Start the deliveries that are due and within the limits. Raises what Postgres raises when it is away."""
        self._crowded.clear()
        self._is_woken = False
        seen = await self._claim(lambda connection: store.oldest_due_any_tenant(connection, _MAX_DUE))
        # The look was full, so there are more, perhaps behind one endpoint that hangs. Then look at each endpoint.
        is_round = seen < _MAX_DUE
        while self._concurrency.free and not is_round:
            await self._claim(self._find_by_endpoint)
            is_round = self._place == START

    def wake(self) -> None:
        """Let the next look come at once."""
        self._is_woken = True
        self._has_changed.set()

    async def refill_until_next_look(self) -> None:
        """For 0.25 s, or until ``wake``, start the next delivery of a crowded endpoint once it has a place again."""
        loop = asyncio.get_running_loop()
        next_look = loop.time() + _INTERVAL
        await asyncio.sleep(_CLAIM_INTERVAL)
        while not self._is_woken and (left := next_look - loop.time()) > 0:
            await _wait(self._has_changed, left)
            self._has_changed.clear()
            await self._refill()
            await asyncio.sleep(_CLAIM_INTERVAL)

    async def drain(self) -> None:
        """Wait for the deliveries in flight; after 10 s cancel the rest and make them due again for other processes."""
        for one in self._giving_back:
            one.cancel()
        running = dict(self._in_flight)
        _log.info("webhooks end", extra={"in_flight": len(running)})
        if not running:
            return
        _, late = await asyncio.wait(running, timeout=_DRAIN_TIMEOUT)
        for one in late:
            one.cancel()
        if late:
            await asyncio.wait(late)
            await self._release([running[one] for one in late])

    async def _refill(self) -> None:
        endpoints, self._freed = list(self._freed & self._crowded), set()
        if endpoints:
            self._crowded.difference_update(endpoints)
            # One endpoint's places stay free for those that the next look finds. More of them would keep healthy
            # endpoints waiting where two others hang: these hold half of the tenant's places until they time out.
            await self._claim(
                lambda connection: store.due_at_endpoints_any_tenant(connection, endpoints, each=PER_ENDPOINT),
                most=PER_TENANT - PER_ENDPOINT,
            )

    async def _claim(
        self, find: Callable[[Connection], Awaitable[Sequence[DueDelivery]]], *, most: int = PER_TENANT
    ) -> int:
        taken: list[DueDelivery] = []
        claims: list[DeliveryClaim] = []
        key = uuid4()
        try:
            async with asyncio.timeout(_CLAIM_TIMEOUT), self._database.connection() as connection:
                due = await find(connection)
                taken.extend(one for one in due if self._concurrency.take(one.endpoint_key, most=most))
                if taken:
                    claims = await store.claim_any_tenant(connection, taken, LEASE, key)
        except _AWAY:
            if taken:
                self._give_back_unanswered(taken, key)
            raise
        finally:
            held = {claim.id for claim in claims}
            for one in taken:
                if one.id not in held:
                    self._concurrency.give_back(one.endpoint_key)
        if claims:
            failpoints.hit("webhooks.after_claim")
        for claim in claims:
            self._start(claim)
        # A question asks for so many of an endpoint at most: there may be more.
        found, started = Counter(one.endpoint_key for one in due), Counter(one.endpoint_key for one in taken)
        self._crowded.update(key for key, count in found.items() if count >= PER_ENDPOINT or count > started[key])
        return len(due)

    def _give_back_unanswered(self, claimed: Sequence[DueDelivery], key: UUID) -> None:
        # Postgres may complete the claim later: then each of these would wait for its lease, and have lost an attempt.
        async def release() -> list[UUID]:
            async with self._database.statement() as connection:
                return await store.release_unanswered_any_tenant(connection, claimed, key)

        async def give_back() -> None:
            found = await retry.until_found(release, _AWAY, interval=_INTERVAL, seconds=LEASE.total_seconds())
            if found:
                _log.warning("deliveries of an unanswered claim are given back", extra={"count": len(found)})
                self.wake()

        giving_back = asyncio.create_task(give_back(), name="give back")
        self._giving_back.add(giving_back)
        giving_back.add_done_callback(self._giving_back.discard)

    async def _find_by_endpoint(self, connection: Connection) -> Sequence[DueDelivery]:
        due, place = await store.due_by_endpoint_any_tenant(
            connection,
            self._place,
            full_tenants=self._concurrency.full_tenants(),
            endpoints=_MAX_ENDPOINTS,
            each=PER_ENDPOINT,
        )
        self._place = place or START
        return due

    def _start(self, claim: DeliveryClaim) -> None:
        running = asyncio.create_task(self._run(claim))
        self._in_flight[running] = claim
        running.add_done_callback(self._end)

    async def _run(self, claim: DeliveryClaim) -> None:
        is_keeping_up = await self._attempts.make(claim)
        self._concurrency.record_result(claim.endpoint_key, is_keeping_up=is_keeping_up)

    def _end(self, running: asyncio.Task[None]) -> None:
        claim = self._in_flight.pop(running)
        self._concurrency.give_back(claim.endpoint_key)
        self._freed.add(claim.endpoint_key)
        if claim.endpoint_key in self._crowded:
            self._has_changed.set()
        if not running.cancelled() and (error := running.exception()):
            _log.error("delivery broke off", exc_info=error, extra={"delivery_id": str(claim.id)})

    async def _release(self, claims: Sequence[DeliveryClaim]) -> None:
        _log.info("deliveries given back", extra={"count": len(claims)})
        with suppress(*_AWAY):  # then they come back when the lease ends
            async with asyncio.timeout(_CLAIM_TIMEOUT), self._database.connection() as connection:
                await store.release_any_tenant(connection, claims)


async def run(stopping: asyncio.Event) -> None:
    """Deliver until ``stopping`` is set, then wait for the deliveries in flight."""
    settings, secrets = get_settings(), get_secrets()
    database = Database("tq_webhook")
    sender = Sender(settings.webhook_allowed_networks)
    deliveries = Deliveries(database, DeliveryAttempts(database, sender, secrets))
    fan_out = FanOut(database, settings.redis_url, deliveries.wake)
    rounds = Rounds()
    beating = asyncio.create_task(heartbeat.beat(database, "webhooks", rounds), name="heartbeat")
    _log.info("webhooks are delivered")
    try:
        await schema.wait_until_it_fits(database, stopping)
        await fan_out.start()
        making = asyncio.create_task(_repeat("fan out", fan_out.round, stopping, lambda: None), name="fan out")
        waking = asyncio.create_task(_wake_when(stopping, fan_out, deliveries), name="wake")
        await _repeat("deliver", lambda: _deliver(deliveries), stopping, rounds.ended)
        await asyncio.gather(making, waking)
        await deliveries.drain()
    finally:
        await fan_out.close()
        beating.cancel()
        await asyncio.wait([beating], timeout=_CLAIM_TIMEOUT)
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
            await _wait(stopping, duty.seconds_left)
        except _AWAY as error:
            _log_limiter.warn("webhooks wait for Postgres", reason=type(error).__name__)
            await _wait(stopping, _AWAY_INTERVAL)
        done()


async def _wake_when(stopping: asyncio.Event, fan_out: FanOut, deliveries: Deliveries) -> None:
    await stopping.wait()
    fan_out.wake()
    deliveries.wake()


async def _deliver(deliveries: Deliveries) -> None:
    await deliveries.claim_due()
    await deliveries.refill_until_next_look()


async def _wait(event: asyncio.Event, seconds: float) -> None:
    if seconds <= 0:
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
