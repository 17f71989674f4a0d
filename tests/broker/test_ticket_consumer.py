"""A slot takes the next ticket from the ring itself."""

import asyncio
from collections.abc import Callable
from uuid import uuid4

import pytest
import redis.asyncio
from redis import Redis

from app.broker.ring import ASYNCIO, PREFORK, RINGS, queue_name
from app.broker.ticket_consumer import TicketConsumer
from tests.broker.ring_helpers import RING, in_ring, is_sound, put, tenants

BOTH = [ring.queue for ring in RINGS.values()]


def blocked(store: Redis) -> int:
    """Return how many clients of this database wait in a blocking call; workers of other tests have another one."""
    own = str(store.connection_pool.connection_kwargs["db"])
    return sum(client["db"] == own and "b" in client["flags"] for client in store.client_list())


async def test_it_takes_the_next_in_their_order_and_who_has_more_goes_to_the_end(
    astore: redis.asyncio.Redis, store: Redis
) -> None:
    a, b, c, d = tenants(4)
    put(store, a)
    put(store, b, 2)
    for last in (c, d):
        put(store, last)
    assert await TicketConsumer(astore, BOTH).take(PREFORK, 3, seconds=0.05) == [a, b, c]
    assert in_ring(store) == [queue_name(tenant, PREFORK) for tenant in (d, b)]
    assert is_sound(store)


async def test_a_tenant_has_one_place_in_the_ring_however_many_of_its_tickets_were_taken(
    astore: redis.asyncio.Redis, store: Redis
) -> None:
    heavy, light = tenants(2)
    put(store, heavy, 3)
    put(store, light)
    assert await TicketConsumer(astore, BOTH).take(PREFORK, 4, seconds=0.05) == [heavy, light]


async def test_who_is_ahead_of_its_share_is_passed_over(astore: redis.asyncio.Redis, store: Redis) -> None:
    ahead, behind = tenants(2)
    for tenant in (ahead, behind):
        put(store, tenant)
    store.sadd(RING.ahead, queue_name(ahead, PREFORK))
    assert await TicketConsumer(astore, BOTH).take(PREFORK, 1, seconds=0.05) == [behind]


async def test_each_pool_has_a_ring_of_its_own(astore: redis.asyncio.Redis, store: Redis) -> None:
    tenant = uuid4()
    put(store, tenant, pool=ASYNCIO)
    consumer = TicketConsumer(astore, BOTH)
    assert await consumer.take(PREFORK, 9, seconds=0.05) == []
    assert await consumer.take(ASYNCIO, 9, seconds=0.05) == [tenant]


async def test_a_worker_for_some_tenants_leaves_the_ring_alone(astore: redis.asyncio.Redis, store: Redis) -> None:
    tenant = uuid4()
    own = put(store, tenant)
    assert await TicketConsumer(astore, [own]).take(PREFORK, 9, seconds=0.05) == []
    assert store.llen(own) == 1


async def test_what_is_no_ticket_is_dropped(astore: redis.asyncio.Redis, store: Redis) -> None:
    damaged, whole = tenants(2)
    queue = put(store, damaged)
    for text in ("no JSON", "[]", '{"properties": null}', '{"properties": {"delivery_info": {"routing_key": "x"}}}'):
        store.lpush(queue, text)
    store.rpop(queue)
    put(store, whole)
    assert await TicketConsumer(astore, BOTH).take(PREFORK, 9, seconds=0.05) == [whole]
    assert in_ring(store) == []


async def test_nothing_is_taken_where_redis_is_away() -> None:
    async with redis.asyncio.Redis.from_url("redis://127.0.0.1:1") as nobody:
        assert await TicketConsumer(nobody, BOTH).take(PREFORK, 9, seconds=0.05) == []


@pytest.mark.parametrize("most", [1, 2, 5])
async def test_it_takes_no_more_than_there_is_room_for(astore: redis.asyncio.Redis, store: Redis, most: int) -> None:
    waiting = tenants(4)
    for tenant in waiting:
        put(store, tenant)
    assert await TicketConsumer(astore, BOTH).take(PREFORK, most, seconds=0.05) == waiting[:most]


async def test_it_waits_for_who_comes(astore: redis.asyncio.Redis, store: Redis) -> None:
    others = blocked(store)
    waiting = asyncio.create_task(TicketConsumer(astore, BOTH).take(PREFORK, 9, seconds=30))
    await until(lambda: blocked(store) == others + 1)
    [tenant] = tenants(1)
    put(store, tenant)
    async with asyncio.timeout(5):
        assert await waiting == [tenant]
    assert in_ring(store) == []


async def test_of_several_waiting_slots_one_queue_in_the_ring_wakes_one(
    astore: redis.asyncio.Redis, store: Redis
) -> None:
    consumer = TicketConsumer(astore, BOTH)
    waiting = []
    others = blocked(store)
    for number in range(3):
        waiting.append(asyncio.create_task(consumer.take(PREFORK, 9, seconds=30)))
        await until(lambda number=number: blocked(store) == others + number + 1)
    store.config_resetstat()
    [tenant] = tenants(1)
    put(store, tenant)
    async with asyncio.timeout(5):
        # Who has waited longest.
        assert await waiting[0] == [tenant]
    assert blocked(store) == others + 2
    assert store.info("commandstats")["cmdstat_evalsha"]["calls"] == 1
    for one in waiting[1:]:
        one.cancel()
    await asyncio.wait(waiting[1:])


async def test_a_wait_and_its_take_leave_nothing_behind(astore: redis.asyncio.Redis, store: Redis) -> None:
    [tenant] = tenants(1)
    consumer = TicketConsumer(astore, BOTH)
    put(store, tenant)
    assert await consumer.take(PREFORK, 9, seconds=0.05) == [tenant]
    assert await consumer.take(PREFORK, 9, seconds=0.05) == []
    assert store.keys() == []


async def test_a_connection_that_was_lost_between_two_takes_is_made_again(
    astore: redis.asyncio.Redis, store: Redis
) -> None:
    consumer = TicketConsumer(astore, BOTH)
    assert await consumer.take(PREFORK, 9, seconds=0.05) == []
    store.client_kill_filter(_type="normal", skipme=True)
    store.script_flush()
    [tenant] = tenants(1)
    put(store, tenant)
    assert [tenant] in [await consumer.take(PREFORK, 9, seconds=0.05) for _ in range(2)]


@pytest.mark.parametrize("seconds", [0.0, -1.0])
async def test_no_time_left_is_no_wait(astore: redis.asyncio.Redis, seconds: float) -> None:
    async with asyncio.timeout(5):
        assert await TicketConsumer(astore, BOTH).take(PREFORK, 9, seconds=seconds) == []


async def test_a_queue_that_a_wait_took_out_of_the_ring_is_put_back_if_it_has_more_tickets(
    astore: redis.asyncio.Redis, store: Redis
) -> None:
    [tenant] = tenants(1)
    queue = put(store, tenant, 3)
    assert await TicketConsumer(astore, BOTH).take(PREFORK, 1, seconds=0.05) == [tenant]
    assert in_ring(store) == [queue]
    assert is_sound(store)


async def test_it_takes_from_a_server_that_is_full(astore: redis.asyncio.Redis, store: Redis) -> None:
    [tenant] = tenants(1)
    queue = put(store, tenant, 2)
    store.config_set("maxmemory", 1)
    try:
        assert await TicketConsumer(astore, BOTH).take(PREFORK, 1, seconds=0.05) == [tenant]
        assert store.llen(queue) == 1
        assert in_ring(store) == [queue]
    finally:
        store.config_set("maxmemory", 0)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 another process's state
            await asyncio.sleep(0.01)
