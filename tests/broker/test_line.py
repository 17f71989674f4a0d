"""A slot takes the next in line itself."""

from uuid import uuid4

import pytest
import redis.asyncio
from redis import Redis

from app.broker.line import Line
from app.broker.ring import ASYNCIO, PREFORK, RINGS, queue_name
from tests.broker.line import RING, in_line, is_sound, put, tenants

BOTH = [ring.queue for ring in RINGS.values()]


async def test_it_takes_the_next_in_their_order_and_who_has_more_goes_to_the_end(
    astore: redis.asyncio.Redis, store: Redis
) -> None:
    a, b, c, d = tenants(4)
    put(store, a)
    put(store, b, 2)
    for last in (c, d):
        put(store, last)
    assert await Line(astore, BOTH).take(PREFORK, 3) == [a, b, c]
    assert in_line(store) == [queue_name(tenant, PREFORK) for tenant in (d, b)]
    assert is_sound(store)


async def test_a_tenant_has_one_turn_however_many_of_its_tickets_were_taken(
    astore: redis.asyncio.Redis, store: Redis
) -> None:
    heavy, light = tenants(2)
    put(store, heavy, 3)
    put(store, light)
    assert await Line(astore, BOTH).take(PREFORK, 4) == [heavy, light]


async def test_who_is_ahead_of_its_share_is_passed_over(astore: redis.asyncio.Redis, store: Redis) -> None:
    ahead, behind = tenants(2)
    for tenant in (ahead, behind):
        put(store, tenant)
    store.sadd(RING.ahead, queue_name(ahead, PREFORK))
    assert await Line(astore, BOTH).take(PREFORK, 1) == [behind]


async def test_each_pool_has_a_line_of_its_own(astore: redis.asyncio.Redis, store: Redis) -> None:
    tenant = uuid4()
    put(store, tenant, pool=ASYNCIO)
    line = Line(astore, BOTH)
    assert await line.take(PREFORK, 9) == []
    assert await line.take(ASYNCIO, 9) == [tenant]


async def test_a_worker_for_some_tenants_leaves_the_line_alone(astore: redis.asyncio.Redis, store: Redis) -> None:
    tenant = uuid4()
    own = put(store, tenant)
    assert await Line(astore, [own]).take(PREFORK, 9) == []
    assert store.llen(own) == 1


async def test_what_is_no_ticket_is_dropped(astore: redis.asyncio.Redis, store: Redis) -> None:
    damaged, whole = tenants(2)
    queue = put(store, damaged)
    for text in ("no JSON", "[]", '{"properties": null}', '{"properties": {"delivery_info": {"routing_key": "x"}}}'):
        store.lpush(queue, text)
    store.rpop(queue)
    put(store, whole)
    assert await Line(astore, BOTH).take(PREFORK, 9) == [whole]
    assert in_line(store) == []


async def test_nothing_is_taken_where_redis_is_away() -> None:
    async with redis.asyncio.Redis.from_url("redis://127.0.0.1:1") as nobody:
        assert await Line(nobody, BOTH).take(PREFORK, 9) == []


@pytest.mark.parametrize("most", [1, 2, 5])
async def test_it_takes_no_more_than_there_is_room_for(astore: redis.asyncio.Redis, store: Redis, most: int) -> None:
    waiting = tenants(4)
    for tenant in waiting:
        put(store, tenant)
    assert await Line(astore, BOTH).take(PREFORK, most) == waiting[:most]
