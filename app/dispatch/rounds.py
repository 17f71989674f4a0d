"""The leader's rounds: what falls due, what is lost, what is past its time; first in Postgres, then in Redis."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.broker import tickets, timelines, wakeups
from app.core import crash, primary
from app.core import redis as redis_connections
from app.core import timelines as known_timelines
from app.core.config import get_settings
from app.core.errors import Unavailable
from app.core.seldom import Seldom
from app.db import AWAY, Connection, Database
from app.dispatch import leadership
from app.dispatch.contact import Contact
from app.dispatch.due import Due
from app.dispatch.ledger import Ledger
from app.dispatch.pruner import Pruner
from app.dispatch.reconciler import Reconciler
from app.dispatch.rescuer import LEASE, Rescuer
from app.dispatch.shares import WorkerShares
from app.processes import heartbeat, schema
from app.processes.heartbeat import Turns
from app.tasks import sweep_store

_log = logging.getLogger(__name__)
_seldom = Seldom(_log)

_TICK: Final = 0.2
_STANDBY_INTERVAL: Final = 1.0
_RESCUE_INTERVAL: Final = 1.0
_RECONCILE_INTERVAL: Final = 1.5
_LOOK_AT_REDIS_INTERVAL: Final = 0.6
_PRUNE_INTERVAL: Final = 1.0
_ROLL_UP_INTERVAL: Final = 2.0
_LEDGER_INTERVAL: Final = 60.0
_PARTITIONS_INTERVAL: Final = 3600.0
_REDIS_TIMEOUT: Final = 1.5
_MONTHS_AHEAD: Final = 1
_GOODBYE: Final = 2.0


class Every:
    """Tells when an interval has passed; at once the first time."""

    def __init__(self, seconds: float) -> None:
        """Count by the loop's clock."""
        self._seconds = seconds
        self._at = 0.0

    def is_due(self) -> bool:
        """Tell, and begin the next interval where it is."""
        now = asyncio.get_running_loop().time()
        if now < self._at:
            return False
        self._at = now + self._seconds
        return True


class Rounds:
    """What one leader remembers between its rounds; all of it can be lost."""

    def __init__(self, connection: Connection, worker: Database, redis: Redis, contact: Contact) -> None:
        """Begin to lead: ``connection`` finds (tq_dispatch), ``worker`` ends what was found (tq_worker)."""
        self._connection = connection
        self._redis = redis
        self._contact = contact
        self._due = Due(connection, worker)
        self._rescuer = Rescuer(connection, worker)
        self._pruner = Pruner(connection)
        self._reconciler = Reconciler(connection, redis)
        self._ledger = Ledger(connection)
        self._shares = WorkerShares(connection, redis, self._ledger)
        self._roll_up = Every(_ROLL_UP_INTERVAL)
        self._reconcile_ledger = Every(_LEDGER_INTERVAL)
        self._partitions = Every(_PARTITIONS_INTERVAL)
        self._rescue = Every(_RESCUE_INTERVAL)
        self._prune = Every(_PRUNE_INTERVAL)
        self._look_at_redis = Every(_LOOK_AT_REDIS_INTERVAL)
        self._reconcile = Every(_RECONCILE_INTERVAL)

    async def tick(self) -> None:
        """One round; what needs Redis comes last, so that without it the rest goes on. Raises ``RedisError``."""
        if self._partitions.is_due():
            await sweep_store.make_partitions_any_tenant(self._connection, _MONTHS_AHEAD)
        expired = await self._due.end_expired()
        due = await self._due.fallen_due()
        if self._due.looked_until is not None:
            self._contact.answered(self._due.looked_until)
        if self._rescue.is_due() and self._contact.has_lasted(LEASE):
            due += [(lost.tenant_id, lost.pool) for lost in await self._rescuer.tick()]
        if self._prune.is_due() or self._pruner.is_behind:
            await self._pruner.tick()
        if self._roll_up.is_due():
            await self._ledger.roll_up()
        if self._reconcile_ledger.is_due():
            await self._ledger.reconcile()
        # A Redis that does not answer must not keep the leader's connection idle until it is ended.
        async with asyncio.timeout(_REDIS_TIMEOUT):
            await self._tell_redis(expired, due)

    async def _tell_redis(self, expired: list[UUID], due: list[tuple[UUID, str]]) -> None:
        if expired:
            await wakeups.publish_done(self._redis, expired)
        if due:
            crash.point("due.before_offer")
            await tickets.offer_many(self._redis, [(tenant_id, pool, 1) for tenant_id, pool in due])
        await self._shares.look()
        has_lost = self._look_at_redis.is_due() and await self._reconciler.has_redis_lost()
        if self._reconcile.is_due() or has_lost:
            await self._reconciler.reconcile()


async def run(stopping: asyncio.Event) -> None:
    """Lead whenever nobody else does, until told to stop."""
    redis = redis_connections.connect(get_settings().redis_url)
    worker = Database("tq_worker", size=1)
    contact = Contact()
    stands_by = False
    await timelines.exchange(redis)
    turns = Turns()
    duties = [
        asyncio.create_task(timelines.follow(redis), name="timelines"),
        asyncio.create_task(heartbeat.beat(worker, "dispatcher", turns), name="heartbeat"),
    ]
    try:
        while not stopping.is_set():
            await schema.wait_until_it_fits(worker, stopping)
            try:
                async with leadership.lead(contact) as connection:
                    turns.turned(leads=connection is not None)
                    if connection is None and not stands_by:
                        _log.info("dispatcher stands by")
                    stands_by = connection is None
                    if connection is not None:
                        await _lead(Rounds(connection, worker, redis, contact).tick, connection, stopping, turns)
            except (*AWAY, Unavailable) as error:
                turns.turned(leads=False)
                if primary.is_misuse(error):
                    _log.exception("a transaction was used wrongly")
                _seldom.warn("dispatcher waits for Postgres", reason=type(error).__name__)
            await _pause(stopping, _STANDBY_INTERVAL)
    finally:
        for duty in duties:
            duty.cancel()
        await asyncio.wait(duties, timeout=_GOODBYE)
        await worker.close()
        await redis.aclose()


async def _lead(
    tick: Callable[[], Awaitable[None]], connection: Connection, stopping: asyncio.Event, turns: Turns
) -> None:
    _log.info("dispatcher leads")
    known = known_timelines.known()
    checked = known.version
    # A newer timeline has become known: this connection may lead to an old primary.
    while not stopping.is_set() and not connection.is_closed() and known.version == checked:
        try:
            await tick()
        except (RedisError, TimeoutError) as error:
            _seldom.warn("tickets not offered", reason=redis_connections.reason(error))
        turns.turned(leads=True)
        await _pause(stopping, _TICK)


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return
