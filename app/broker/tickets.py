"""Offering tickets: telling the workers that a tenant has due work.

A ticket is a message of Celery's in the tenant's own queue, and a hint: a lost, late or doubled one is
harmless, because the claim in Postgres decides. Errors of Redis (``redis.exceptions.RedisError``) are for the
caller to judge, save in ``offer_quietly``. Nothing here imports Celery, so api and dispatcher stay light.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.broker.envelope import ticket
from app.broker.ring import MEND, PREFORK, PUSH, RINGS, Ring, queue_name, tenant_of
from app.core.batcher import Batcher, Entry

_log = logging.getLogger(__name__)

DEFAULT_LIMIT: Final = 4
"""Tickets that a tenant's queue holds at most: enough to start several slots at once, and cheap."""

# Queues in one script call: bounds how long it holds Redis up (about 2 ms).
_CHUNK: Final = 500
# Seconds for the offers of one process, which wait behind each other.
_OFFERS_TIMEOUT: Final = 0.5


class Offer(NamedTuple):
    """So many tickets for one tenant in one pool (``prefork`` or ``asyncio``)."""

    tenant_id: UUID
    pool: str = PREFORK
    tickets: int = 1


class Mended(NamedTuple):
    """The number of repairs of a reconciliation."""

    joined: int
    """Queues that had tickets, but were missing in the ring."""
    gone: int
    """Entries of the ring that were duplicates or had no tickets."""


async def offer(redis: Redis, tenant_id: UUID, pool: str = PREFORK, *, limit: int = DEFAULT_LIMIT) -> bool:
    """Offer one ticket unless the tenant's queue holds ``limit`` already; say whether it was put."""
    return await offer_many(redis, [(tenant_id, pool, 1)], limit=limit) > 0


async def offer_many(
    redis: Redis, offers: Iterable[Offer | tuple[UUID, str, int]], *, limit: int = DEFAULT_LIMIT
) -> int:
    """Offer tickets to many tenants; return how many were put: none goes into a queue that holds ``limit``.

    One round trip for each pool and each 500 queues.
    """
    lines: dict[Ring, list[Offer]] = {}
    for wanted in offers:
        lines.setdefault(RINGS[wanted[1]], []).append(Offer(*wanted))
    chunks = [
        (ring, line[start : start + _CHUNK]) for ring, line in lines.items() for start in range(0, len(line), _CHUNK)
    ]
    pushed: list[list[int]] = [await PUSH.run(redis, *push_call(ring, chunk, limit)) for ring, chunk in chunks]
    return sum(map(sum, pushed))


def push_call(ring: Ring, offers: Sequence[Offer], limit: int) -> tuple[list[str], list[str | int]]:
    """Return the keys and arguments of ``ring.PUSH`` for offers in one pool, for a caller who sends it."""
    keys = [ring.order, ring.members]
    args: list[str | int] = [limit]
    for wanted in offers:
        queue = queue_name(wanted.tenant_id, wanted.pool)
        keys.append(queue)
        # What is above the limit is never put: do not write it.
        tickets = [ticket(wanted.tenant_id, queue) for _ in range(min(wanted.tickets, limit))]
        args += [len(tickets), *tickets]
    return keys, args


async def offer_quietly(
    redis: Redis,
    offers: Iterable[Offer | tuple[UUID, str, int]],
    *,
    limit: int = DEFAULT_LIMIT,
    deadline: float = 0.05,
) -> None:
    """Offer after a commit: give up after ``deadline`` seconds, never raise; the dispatcher offers again."""
    try:
        async with asyncio.timeout(deadline):
            await offer_many(redis, offers, limit=limit)
    except (RedisError, OSError, TimeoutError) as error:
        _log.debug("ticket not offered", extra={"error": repr(error)})


_Counts: TypeAlias = Counter[tuple[UUID, str]]
"""Tickets by tenant and pool."""


class _Added:
    """The offers that wait, each queue's in one count."""

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
    """The offers of one process, made together: what is added while a call is under way goes with the next one."""

    def __init__(self, redis: Redis) -> None:
        """``redis`` may be away: then nothing is offered, and the dispatcher does it later."""
        self._redis = redis
        self._added = _Added()
        self._batcher: Batcher[_Counts, None] = Batcher(self._offer, queue=self._added, timeout=None)

    def add(self, tenant_id: UUID, pool: str, tickets: int = 1) -> None:
        """Offer tickets soon, without waiting for it; for after a commit."""
        self._added.counts[tenant_id, pool] += tickets
        self._batcher.start()

    async def close(self) -> None:
        """Let what was added be offered."""
        await self._batcher.close()

    async def _offer(self, groups: Sequence[_Counts]) -> list[None]:
        offers = [Offer(*queue, count) for counts in groups for queue, count in counts.items()]
        # Nobody waits for it. A busy loop is late by itself, and what is given up waits for the dispatcher.
        await offer_quietly(self._redis, offers, deadline=_OFFERS_TIMEOUT)
        return [None] * len(groups)


async def backlog_lengths(redis: Redis, queues: Sequence[str]) -> list[int]:
    """Count the tickets in each queue, in the order of ``queues``, in one round trip."""
    async with redis.pipeline(transaction=False) as pipe:
        for queue in queues:
            pipe.llen(queue)
        lengths: list[int] = await pipe.execute()
    return lengths


async def reconcile(redis: Redis, tenant_ids: Iterable[UUID] = ()) -> Mended:
    """Make each ring the queues that hold tickets, each once; those who stand in line keep their order.

    ``tenant_ids`` are the tenants that may hold tickets without being in a ring at all: those with due work.
    Damage is rare, so every few seconds is enough: each queue in line and each tenant given costs Redis
    1.5 µs, in one script for each pool.
    """
    tenants = list(tenant_ids)
    mended = [
        await MEND.run(redis, [ring.order, ring.members], [queue_name(tenant_id, pool) for tenant_id in tenants])
        for pool, ring in RINGS.items()
    ]
    return Mended(joined=sum(joined for joined, _ in mended), gone=sum(gone for _, gone in mended))


async def in_line(redis: Redis) -> dict[str, set[UUID]]:
    """Return the tenants that stand in line in each pool, in one round trip; raises ``RedisError``."""
    async with redis.pipeline(transaction=False) as pipe:
        for ring in RINGS.values():
            pipe.smembers(ring.members)
        members: list[set[bytes]] = await pipe.execute()
    return {
        pool: {tenant_id for queue in queues if (tenant_id := tenant_of(queue.decode())) is not None}
        for pool, queues in zip(RINGS, members, strict=True)
    }


async def pass_over(redis: Redis, tenant_ids: Mapping[str, Collection[UUID]], *, seconds: float) -> None:
    """Let the workers of each pool pass over its tenants here while others wait, for at most so many seconds."""
    async with redis.pipeline(transaction=True) as pipe:
        for pool, ring in RINGS.items():
            pipe.delete(ring.ahead)
            if tenants := tenant_ids.get(pool):
                pipe.sadd(ring.ahead, *(queue_name(tenant_id, pool) for tenant_id in tenants))
                pipe.pexpire(ring.ahead, int(seconds * 1000))
        await pipe.execute()


async def forget(redis: Redis, tenant_id: UUID) -> None:
    """Remove a tenant's queues and its places in line, at once; for a tenant that leaves."""
    async with redis.pipeline(transaction=True) as pipe:
        for pool, ring in RINGS.items():
            queue = queue_name(tenant_id, pool)
            pipe.delete(queue)
            pipe.srem(ring.members, queue)
            pipe.lrem(ring.order, 0, queue)
        await pipe.execute()
