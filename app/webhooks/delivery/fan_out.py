"""Make deliveries of new events: at once for tenants that a message names, and by looking at all from time to time."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final
from uuid import UUID

import asyncpg

from app.broker import wakeups
from app.core import failpoints
from app.core.log_limiter import LogLimiter
from app.db import AWAY, Database
from app.webhooks import store

_log_limiter = LogLimiter(logging.getLogger(__name__))

# Seconds between two looks at all tenants. A message may be lost, and so may Redis: then only a look finds anything.
_LOOK_INTERVAL: Final = 2.0
_LOOK_INTERVAL_WITHOUT_REDIS: Final = 0.25
# Seconds between two rounds at least, so that under load each makes several deliveries. The first one is made at once.
_ROUND_INTERVAL: Final = 0.1
_MAX_TENANTS: Final = 100
_MAX_EVENTS: Final = 100
# The bodies that one statement makes: at most 100 of 64 KiB for each of 100 tenants, in practice a few.
_TIMEOUT: Final = 30.0


class FanOut:
    """Turns events into deliveries. It remembers only tenants to look at, which can be lost."""

    def __init__(self, database: Database, redis_url: str, on_made: Callable[[], None]) -> None:
        """``database`` logs in as tq_webhook; ``on_made`` is called when deliveries were made."""
        self._database = database
        self._on_made = on_made
        self._subscription = wakeups.webhook_subscription(redis_url, self._hear, self._on_change)
        self._tenants: set[UUID] = set()
        self._is_woken = asyncio.Event()
        self._next_look = 0.0

    async def start(self) -> None:
        """Begin to listen for messages; returns at once when Redis is away."""
        await self._subscription.start()

    async def close(self) -> None:
        """Stop listening."""
        await self._subscription.close()

    def wake(self) -> None:
        """Let ``round`` begin at once."""
        self._is_woken.set()

    async def round(self) -> None:
        """Wait until there may be new events, and make their deliveries.

        Raises what Postgres raises when it is away.
        """
        await self._wait()
        try:
            await self._look_if_due()
            while self._tenants:
                chosen = [self._tenants.pop() for _ in range(min(len(self._tenants), _MAX_TENANTS))]
                await self._fan_out(chosen)
                # A tenant with many events makes a long round. It must not delay tenants that only a look finds.
                await self._look_if_due()
        except BaseException:
            # The tenants of this round are found again.
            self._next_look = 0.0
            raise

    async def _wait(self) -> None:
        await asyncio.sleep(_ROUND_INTERVAL)
        left = self._next_look - time.monotonic()
        if left > 0 and not self._tenants:
            try:
                async with asyncio.timeout(left):
                    await self._is_woken.wait()
            except TimeoutError:
                pass
        self._is_woken.clear()

    async def _look_if_due(self) -> None:
        if self._next_look > time.monotonic():
            return
        interval = _LOOK_INTERVAL if self._subscription.healthy else _LOOK_INTERVAL_WITHOUT_REDIS
        self._next_look = time.monotonic() + interval
        async with asyncio.timeout(_TIMEOUT), self._database.connection() as connection:
            self._tenants.update(await store.behind_any_tenant(connection))

    async def _fan_out(self, tenant_ids: Sequence[UUID]) -> None:
        failpoints.hit("webhooks.before_fan_out")
        try:
            async with asyncio.timeout(_TIMEOUT), self._database.connection() as connection:
                rows = await store.fan_out_any_tenant(connection, tenant_ids, _MAX_EVENTS)
        except asyncpg.PostgresError as error:
            if isinstance(error, AWAY):
                raise
            # About one tenant's events: those of the others must not wait for them.
            if len(tenant_ids) == 1:
                _say_poisoned(tenant_ids[0], error)
                return
            for tenant_id in tenant_ids:
                await self._fan_out([tenant_id])
            return
        failpoints.hit("webhooks.after_fan_out")
        self._tenants.update(row.tenant_id for row in rows if row.has_more)
        if any(row.made for row in rows):
            self._on_made()

    def _hear(self, tenant_ids: Iterable[UUID]) -> None:
        self._tenants.update(tenant_ids)
        self._is_woken.set()

    def _on_change(self) -> None:
        # Messages of the gap were not heard.
        self._next_look = 0.0
        self._is_woken.set()


def _say_poisoned(tenant_id: UUID, error: Exception) -> None:
    # Only the type of the error: its text may quote the row. Each look tries again.
    facts = {"tenant_id": str(tenant_id), "error": type(error).__name__}
    _log_limiter.log(logging.ERROR, "an event does not become a delivery", reason=str(tenant_id), extra=facts)
