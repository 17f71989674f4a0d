"""Claim deliveries that are due, within the limits, and start an attempt of each."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final
from uuid import UUID, uuid4

import asyncpg

from app.core import failpoints, retry
from app.core.errors import Unavailable
from app.db import AWAY, Connection, Database
from app.webhooks import endpoint_state_store, store, url_key
from app.webhooks.delivery.attempt import LEASE, DeliveryAttempts, SentAttempt
from app.webhooks.delivery.endpoint_concurrency import MAX_AHEAD, PER_ENDPOINT, PER_TENANT, EndpointConcurrency
from app.webhooks.delivery.turns import Turns
from app.webhooks.store import START, DeliveryClaim, DueDelivery
from app.webhooks.url_key import EndpointKey

_log = logging.getLogger(__name__)

# For deliveries that fall due again, and for those that another process makes: this one's own wake it at once. Polled,
# because a NOTIFY would make commits wait for each other. One probe of an index finds that nothing is due.
_INTERVAL: Final = 0.25
_CLAIM_INTERVAL: Final = 0.005
"""Seconds between two claims, at least, so that each takes several deliveries."""
_CLAIM_TIMEOUT: Final = 5.0
_DRAIN_TIMEOUT: Final = 10.0
_MAX_DUE: Final = 500
_MAX_TESTS: Final = 32
"""Tests of endpoints in flight, of all tenants."""
_MAX_ENDPOINTS: Final = 200
_AWAY: Final = (Unavailable, *AWAY, asyncpg.PostgresError)


class Deliveries:
    """The deliveries in flight. All of them can be lost: each falls due again when its lease ends."""

    def __init__(self, database: Database, attempts: DeliveryAttempts) -> None:
        """``database`` logs in as tq_webhook."""
        self._database = database
        self._attempts = attempts
        self._concurrency = EndpointConcurrency()
        self._turns = Turns()
        # Of their own, so that a test does not wait behind what its endpoint or its tenant has in flight.
        self._test_places = EndpointConcurrency(_MAX_TESTS)
        self._in_flight: dict[asyncio.Task[None], DeliveryClaim] = {}
        self._place = START
        # Endpoints where more was due than was claimed, and those of them where a place has become free.
        self._crowded: set[EndpointKey] = set()
        self._freed: set[EndpointKey] = set()
        # Endpoints whose rate allows no attempt now. A timer takes each out.
        self._waiting_for_rate: set[EndpointKey] = set()
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
            await wait(self._has_changed, left)
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
                lambda connection: store.due_at_endpoints_any_tenant(connection, endpoints, each=MAX_AHEAD),
                most=PER_TENANT - PER_ENDPOINT,
            )

    async def _claim(
        self, find: Callable[[Connection], Awaitable[Sequence[DueDelivery]]], *, most: int = PER_TENANT
    ) -> int:
        taken: list[DueDelivery] = []
        claims: list[DeliveryClaim] = []
        # The claim names it, so that rows of a claim whose answer was lost can be found again.
        key = uuid4()
        try:
            async with asyncio.timeout(_CLAIM_TIMEOUT), self._database.connection() as connection:
                due = await find(connection)
                taken.extend(
                    one
                    for one in due
                    if (one.is_test or one.endpoint_key not in self._waiting_for_rate)
                    and self._places(is_test=one.is_test).take(one.endpoint_key, most=most)
                )
                if allowed := await self._within_rates(connection, taken):
                    claims = await store.claim_any_tenant(connection, allowed, LEASE, key)
        except _AWAY:
            if taken:
                self._give_back_unanswered(taken, key)
            raise
        finally:
            held = {claim.id for claim in claims}
            for one in taken:
                if one.id not in held:
                    self._places(is_test=one.is_test).give_back(one.endpoint_key)
        if claims:
            failpoints.hit("webhooks.after_claim")
        for claim in claims:
            self._start(claim)
        # A question asks for so many of an endpoint at most: there may be more.
        found, started = Counter(one.endpoint_key for one in due), Counter(one.endpoint_key for one in taken)
        self._crowded.update(key for key, count in found.items() if count >= PER_ENDPOINT or count > started[key])
        return len(due)

    async def _within_rates(self, connection: Connection, taken: Sequence[DueDelivery]) -> list[DueDelivery]:
        """Return the deliveries that the rates of their endpoints allow now. The others stay due."""
        wanted = Counter(one.endpoint_key for one in taken if one.rate is not None)
        if not wanted:
            return list(taken)
        granted = await endpoint_state_store.take_rates_any_tenant(
            connection, {(tenant_id, url_key.endpoint_id(key)): count for (tenant_id, key), count in wanted.items()}
        )
        left = Counter[EndpointKey]()
        for one in wanted:
            left[one], wait = granted[url_key.endpoint_id(one[1])]
            if left[one] < wanted[one]:
                self._wait_for_rate(one, wait)
        allowed = []
        for delivery in taken:
            left[delivery.endpoint_key] -= 1
            if delivery.rate is None or left[delivery.endpoint_key] >= 0:
                allowed.append(delivery)
        return allowed

    def _wait_for_rate(self, endpoint: EndpointKey, seconds: float) -> None:
        def end() -> None:
            self._waiting_for_rate.discard(endpoint)
            self._freed.add(endpoint)
            self._has_changed.set()

        self._waiting_for_rate.add(endpoint)
        asyncio.get_running_loop().call_later(seconds, end)

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
        # After the lease another process may send it, so nothing is recorded later than that.
        until = time.monotonic() + LEASE.total_seconds()
        try:
            sent = await self._send_in_turn(claim)
        finally:
            # Others may be claimed while this one is recorded.
            self._leave(claim)
        if sent is not None:
            await self._attempts.record(sent, until=until)

    async def _send_in_turn(self, claim: DeliveryClaim) -> SentAttempt | None:
        endpoint = claim.endpoint_key
        if claim.is_test:
            return await self._attempts.send(claim)
        async with self._turns.turn(endpoint) as is_taken:
            sent = await self._attempts.send(claim) if is_taken else None
        if not is_taken:
            self._concurrency.end_rush(endpoint)
            await self._attempts.put_off(claim)
        elif sent is None:
            self._concurrency.record_result(endpoint, 0, is_keeping_up=False)
        else:
            self._concurrency.record_result(endpoint, sent.seconds, is_keeping_up=sent.answer.is_keeping_up)
        return sent

    def _places(self, *, is_test: bool) -> EndpointConcurrency:
        return self._test_places if is_test else self._concurrency

    def _leave(self, claim: DeliveryClaim) -> None:
        endpoint = claim.endpoint_key
        self._places(is_test=claim.is_test).leave(endpoint)
        self._freed.add(endpoint)
        if endpoint in self._crowded:
            self._has_changed.set()

    def _end(self, running: asyncio.Task[None]) -> None:
        claim = self._in_flight.pop(running)
        self._places(is_test=claim.is_test).end(claim.endpoint_key)
        if not running.cancelled() and (error := running.exception()):
            _log.error("delivery broke off", exc_info=error, extra={"delivery_id": str(claim.id)})

    async def _release(self, claims: Sequence[DeliveryClaim]) -> None:
        _log.info("deliveries given back", extra={"count": len(claims)})
        with suppress(*_AWAY):  # then they come back when the lease ends
            async with asyncio.timeout(_CLAIM_TIMEOUT), self._database.connection() as connection:
                await store.release_any_tenant(connection, claims)


async def wait(event: asyncio.Event, seconds: float) -> None:
    """Wait until the event is set, or for so long."""
    if seconds <= 0:
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
