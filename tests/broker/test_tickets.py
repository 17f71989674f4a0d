"""Offering tickets, counting them, mending the ring, forgetting a tenant."""

import asyncio
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
import redis.asyncio
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from app.broker import tickets
from app.broker.ring import ASYNCIO, PREFORK, RINGS, queue_name
from tests.broker.processes import Valkey
from tests.broker.ring_helpers import RING, in_ring, is_sound, put, tenant_of, tenants


async def test_offer_puts_the_queue_of_the_tenant_into_the_ring(astore: redis.asyncio.Redis, store: Redis) -> None:
    tenant = uuid4()
    assert await tickets.offer(astore, tenant)
    queue = queue_name(tenant, PREFORK)
    assert in_ring(store) == [queue]
    assert [tenant_of(body) for body in store.lrange(queue, 0, -1)] == [tenant]


async def test_offer_puts_no_more_than_the_limit(astore: redis.asyncio.Redis, store: Redis) -> None:
    tenant = uuid4()
    assert [await tickets.offer(astore, tenant, limit=2) for _ in range(3)] == [True, True, False]
    assert store.llen(queue_name(tenant, PREFORK)) == 2


async def test_concurrent_offers_do_not_exceed_the_limit(astore: redis.asyncio.Redis, store: Redis) -> None:
    tenant = uuid4()
    put_or_not = await asyncio.gather(*(tickets.offer(astore, tenant) for _ in range(20)))
    assert sum(put_or_not) == store.llen(queue_name(tenant, PREFORK)) == tickets.DEFAULT_LIMIT


async def test_offer_many_counts_for_each_tenant_and_pool(astore: redis.asyncio.Redis, store: Redis) -> None:
    a, b, c = tenants(3)
    put(store, c, 3)
    wanted = [(a, PREFORK, 2), (b, ASYNCIO, 9), (c, PREFORK, 2), (a, ASYNCIO, 0)]
    assert await tickets.offer_many(astore, wanted) == 2 + 4 + 1
    queues = [queue_name(tenant, pool) for tenant, pool, _ in wanted]
    assert await tickets.backlog_lengths(astore, queues) == [2, 4, 4, 0]
    assert store.lrange(RINGS[ASYNCIO].order, 0, -1) == [queue_name(b, ASYNCIO)]
    assert is_sound_but_for(store, ASYNCIO)


def is_sound_but_for(store: Redis, pool: str) -> bool:
    """Whether the prefork ring is sound when the queues of another pool are set aside."""
    store.delete(*store.scan_iter("tenant.*.io"))
    assert RINGS[pool] != RING
    return is_sound(store)


async def test_offer_many_puts_thousands_of_tenants_into_the_ring(astore: redis.asyncio.Redis, store: Redis) -> None:
    everyone = tenants(1201)
    assert await tickets.offer_many(astore, [(tenant, PREFORK, 1) for tenant in everyone]) == 1201
    assert in_ring(store) == [queue_name(tenant, PREFORK) for tenant in everyone]
    assert is_sound(store)


async def test_offer_gives_a_full_queue_its_place_back(astore: redis.asyncio.Redis, store: Redis) -> None:
    tenant = uuid4()
    put(store, tenant, 4)
    store.delete(RING.order, RING.members)
    assert not await tickets.offer(astore, tenant)
    assert is_sound(store)


async def test_offer_works_after_redis_has_lost_the_scripts(astore: redis.asyncio.Redis, store: Redis) -> None:
    assert await tickets.offer(astore, uuid4())
    store.script_flush()
    assert await tickets.offer(astore, uuid4())


async def test_unknown_pool_is_refused(astore: redis.asyncio.Redis) -> None:
    with pytest.raises(KeyError):
        await tickets.offer(astore, uuid4(), "threads")


async def test_offer_raises_and_offer_quietly_does_not_when_redis_is_away(own_valkey: Valkey) -> None:
    own_valkey.kill()
    async with redis.asyncio.Redis.from_url(own_valkey.url(), retry=None) as away:
        with pytest.raises(RedisConnectionError):
            await tickets.offer(away, uuid4())
        await tickets.offer_quietly(away, [(uuid4(), PREFORK, 1)])


async def test_offer_quietly_gives_up_on_a_redis_that_hangs() -> None:
    async def say_nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hung_up.wait()
        writer.close()

    hung_up = asyncio.Event()
    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        port: int = server.sockets[0].getsockname()[1]
        async with redis.asyncio.Redis(port=port) as hanging, asyncio.timeout(2):
            await tickets.offer_quietly(hanging, [(uuid4(), PREFORK, 1)])
        hung_up.set()


async def test_offer_quietly_offers(astore: redis.asyncio.Redis, store: Redis) -> None:
    await tickets.offer_quietly(astore, [(uuid4(), PREFORK, 1)], deadline=5)
    assert len(in_ring(store)) == 1


async def test_forgotten_tenant_leaves_no_trace(astore: redis.asyncio.Redis, store: Redis) -> None:
    gone, stays = tenants(2)
    put(store, gone, 3)
    put(store, gone, 2, pool=ASYNCIO)
    put(store, stays)
    await tickets.forget(astore, gone)
    assert in_ring(store) == [queue_name(stays, PREFORK)]
    assert is_sound(store)


def lose_everything_but_lists(store: Redis, _queue: str) -> None:
    store.delete(RING.order, RING.members)


def lose_ring(store: Redis, _queue: str) -> None:
    store.delete(RING.order)


def lose_members(store: Redis, _queue: str) -> None:
    store.delete(RING.members)


def lose_place(store: Redis, queue: str) -> None:
    store.lrem(RING.order, 0, queue)


def lose_membership(store: Redis, queue: str) -> None:
    store.srem(RING.members, queue)


def double_entry(store: Redis, queue: str) -> None:
    store.lpush(RING.order, queue, queue)


def lose_place_and_double_another(store: Redis, queue: str) -> None:
    store.lrem(RING.order, 0, queue)
    store.lpush(RING.order, str(store.lindex(RING.order, 0)))


def lose_list(store: Redis, queue: str) -> None:
    store.delete(queue)


@pytest.mark.parametrize(
    "damage",
    [
        lose_everything_but_lists,
        lose_ring,
        lose_members,
        lose_place,
        lose_membership,
        double_entry,
        lose_place_and_double_another,
        lose_list,
    ],
)
async def test_reconcile_repairs(
    astore: redis.asyncio.Redis, store: Redis, damage: Callable[[Redis, str], None]
) -> None:
    everyone = tenants(5)
    queues = [put(store, tenant, 2) for tenant in everyone]
    damage(store, queues[2])
    assert not is_sound(store)
    repairs = await tickets.reconcile(astore, everyone)
    assert repairs != tickets.Repairs(joined=0, gone=0) or damage is lose_membership or damage is lose_members
    assert is_sound(store)


async def test_reconcile_keeps_the_order_of_the_queues_in_the_ring(astore: redis.asyncio.Redis, store: Redis) -> None:
    first, lost, last = (put(store, tenant) for tenant in tenants(3))
    store.lrem(RING.order, 0, lost)
    assert await tickets.reconcile(astore) == tickets.Repairs(joined=1, gone=0)
    assert in_ring(store) == [first, last, lost]


async def test_reconcile_changes_nothing_in_a_sound_ring(astore: redis.asyncio.Redis, store: Redis) -> None:
    everyone = tenants(3)
    before = [put(store, tenant) for tenant in everyone]
    idle: list[UUID] = tenants(2)
    assert await tickets.reconcile(astore, everyone + idle) == tickets.Repairs(joined=0, gone=0)
    assert in_ring(store) == before
