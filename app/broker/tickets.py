"""Offer tickets, which tell the workers that a tenant has due tasks.

A ticket is a Celery message in the tenant's own queue, and only a hint: a lost, late or duplicate ticket does no harm,
because the claim in Postgres decides. The functions raise ``redis.exceptions.RedisError``, except ``offer_quietly``.
This module does not import Celery, so that api and dispatcher need less memory.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.broker import wakeups
from app.broker.envelope import ticket
from app.broker.ring import PREFORK, PUSH, REMOTE_PREFIX, REPAIR, RINGS, Ring, queue_name, tenant_of
from app.broker.script_connection import ScriptConnection
from app.core.batcher import Batcher, Entry

_log = logging.getLogger(__name__)

DEFAULT_LIMIT: Final = 4
"""The most tickets in a tenant's queue: enough to start several slots at once, and few enough to be cheap."""

# Queues in one script call. It bounds the time for which the script blocks Redis (about 2 ms).
_CHUNK: Final = 500
# Seconds for one call of ``Offers``, for which nobody waits.
_OFFERS_TIMEOUT: Final = 0.5


class Offer(NamedTuple):
    """A number of tickets for one tenant in one pool (``prefork``, ``asyncio`` or ``http``)."""

    tenant_id: UUID
    pool: str = PREFORK
    tickets: int = 1


class Repairs(NamedTuple):
    """The number of repairs of a reconciliation."""

    joined: int
    """Queues that had tickets but were missing in the ring."""
    gone: int
    """Entries of the ring that were duplicates or without tickets."""


async def offer(redis: Redis, tenant_id: UUID, pool: str = PREFORK, *, limit: int = DEFAULT_LIMIT) -> bool:
    """Offer one ticket, unless the tenant's queue has ``limit`` already; return whether it was added."""
    return await offer_many(redis, [(tenant_id, pool, 1)], limit=limit) > 0


async def offer_many(
    redis: Redis | ScriptConnection, offers: Iterable[Offer | tuple[UUID, str, int]], *, limit: int = DEFAULT_LIMIT
) -> int:
    """Offer tickets to many tenants; return how many were added. No queue gets more than ``limit`` tickets.

    It takes one round trip for each pool and each 500 queues. The pools of tenants' own workers (``remote:<type>``)
    have no ring: a message wakes the lease calls that wait.
    """
    by_ring: dict[Ring, list[Offer]] = {}
    remote: list[tuple[UUID, str, int]] = []
    for wanted in offers:
        if wanted[1].startswith(REMOTE_PREFIX):
            remote.append((wanted[0], wanted[1].removeprefix(REMOTE_PREFIX), wanted[2]))
        else:
            by_ring.setdefault(RINGS[wanted[1]], []).append(Offer(*wanted))
    chunks = [
        (ring, some[start : start + _CHUNK]) for ring, some in by_ring.items() for start in range(0, len(some), _CHUNK)
    ]
    pushed: list[list[int]] = [await PUSH.run(redis, *push_call(ring, chunk, limit)) for ring, chunk in chunks]
    for start in range(0, len(remote), _CHUNK):
        await wakeups.publish_work(redis, remote[start : start + _CHUNK])
    return sum(map(sum, pushed))


def push_call(ring: Ring, offers: Sequence[Offer], limit: int) -> tuple[list[str], list[str | int]]:
    """Return the keys and arguments of ``ring.PUSH`` for offers in one pool."""
    keys = [ring.order, ring.members]
    args: list[str | int] = [limit]
    for wanted in offers:
        queue = queue_name(wanted.tenant_id, wanted.pool)
        keys.append(queue)
        # The script would not add tickets above the limit, so they are not even written.
        tickets = [ticket(wanted.tenant_id, queue) for _ in range(min(wanted.tickets, limit))]
        args += [len(tickets), *tickets]
    return keys, args


async def offer_quietly(
    redis: Redis | ScriptConnection,
    offers: Iterable[Offer | tuple[UUID, str, int]],
    *,
    limit: int = DEFAULT_LIMIT,
    deadline: float = 0.05,
) -> None:
    """Offer tickets after a commit. Give up after ``deadline`` seconds, and never raise.

    If it gives up, the tasks still start: the dispatcher offers tickets for them within about 2 s.
    """
    try:
        async with asyncio.timeout(deadline):
            await offer_many(redis, offers, limit=limit)
    except (RedisError, OSError, TimeoutError) as error:
        _log.debug("ticket not offered", extra={"error": repr(error)})


_Counts: TypeAlias = Counter[tuple[UUID, str]]
"""Tickets by tenant and pool."""


class _Added:
    """The offers that wait, as one count for each queue: a busy tenant takes no more memory than an idle one."""

    def __init__(self) -> None:
        self.counts: _Counts = Counter()

    def add(self, entry: "Entry[_Counts, None]") -> None:
        self.counts.update(entry[0])

    def take(self) -> "list[Entry[_Counts, None]]":
        if not self.counts:
            return []
        taken, self.counts = self.counts, Counter()
        return [(taken, asyncio.get_running_loop().create_future())]


class Offers:
    """Combines the offers of one process: offers added during a call to Redis go with the next one."""

    def __init__(self, redis: Redis | ScriptConnection) -> None:
        """``redis`` may be unavailable: then nothing is offered, and the dispatcher offers the tickets later."""
        self._redis = redis
        self._added = _Added()
        self._batcher: Batcher[_Counts, None] = Batcher(self._offer, queue=self._added, timeout=None)

    def add(self, tenant_id: UUID, pool: str, tickets: int = 1) -> None:
        """Offer tickets soon, without waiting. Call it after a commit."""
        self._added.counts[tenant_id, pool] += tickets
        self._batcher.start()

    async def close(self) -> None:
        """Wait until all added offers are made."""
        await self._batcher.close()

    async def _offer(self, groups: Sequence[_Counts]) -> list[None]:
        offers = [Offer(*queue, count) for counts in groups for queue, count in counts.items()]
        # A longer deadline than after a commit: nobody waits for this call, and a busy event loop is late by itself.
        await offer_quietly(self._redis, offers, deadline=_OFFERS_TIMEOUT)
        return [None] * len(groups)


async def backlog_lengths(redis: Redis, queues: Sequence[str]) -> list[int]:
    """Return the number of tickets in each queue, in the order of ``queues``, in one round trip."""
    async with redis.pipeline(transaction=False) as pipe:
        for queue in queues:
            pipe.llen(queue)
        lengths: list[int] = await pipe.execute()
    return lengths


async def reconcile(redis: Redis, tenant_ids: Iterable[UUID] = ()) -> Repairs:
    """Repair each ring: it then has every queue with tickets exactly once. Queues that were in it keep their order.

    ``tenant_ids`` are tenants whose queues may have tickets without being in a ring: those with due tasks. Damage is
    rare, so a call every second or so is enough. Each queue in a ring and each tenant costs Redis 1.5 µs, in one script
    for each pool.
    """
    tenants = list(tenant_ids)
    repairs = [
        await REPAIR.run(redis, [ring.order, ring.members], [queue_name(tenant_id, pool) for tenant_id in tenants])
        for pool, ring in RINGS.items()
    ]
    return Repairs(joined=sum(joined for joined, _ in repairs), gone=sum(gone for _, gone in repairs))


async def tenants_in_rings(redis: Redis) -> dict[str, set[UUID]]:
    """Return the tenants in each pool's ring, in one round trip."""
    async with redis.pipeline(transaction=False) as pipe:
        for ring in RINGS.values():
            pipe.smembers(ring.members)
        members: list[set[bytes]] = await pipe.execute()
    return {
        pool: {tenant_id for queue in queues if (tenant_id := tenant_of(queue.decode())) is not None}
        for pool, queues in zip(RINGS, members, strict=True)
    }


async def pass_over(redis: Redis, tenant_ids: Mapping[str, Collection[UUID]], *, seconds: float) -> None:
    """Make the workers of each pool skip these tenants while others wait, for at most ``seconds``."""
    async with redis.pipeline(transaction=True) as pipe:
        for pool, ring in RINGS.items():
            # In one transaction with the new members, so that no worker sees an empty set in between.
            pipe.delete(ring.ahead)
            if tenants := tenant_ids.get(pool):
                pipe.sadd(ring.ahead, *(queue_name(tenant_id, pool) for tenant_id in tenants))
                pipe.pexpire(ring.ahead, int(seconds * 1000))
        await pipe.execute()


async def forget(redis: Redis, tenant_id: UUID) -> None:
    """Delete a tenant's queues and its entries in the rings, in one transaction. For a tenant that is deleted."""
    async with redis.pipeline(transaction=True) as pipe:
        for pool, ring in RINGS.items():
            queue = queue_name(tenant_id, pool)
            pipe.delete(queue)
            pipe.srem(ring.members, queue)
            pipe.lrem(ring.order, 0, queue)
        await pipe.execute()
