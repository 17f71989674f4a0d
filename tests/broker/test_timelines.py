"""The newest timeline is told to others over Redis."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from app.broker import timelines as shared
from app.db import timelines
from app.db.timelines import Timelines, mark
from tests.conftest import Servers

_SYSTEM = 7713780298099323624


@pytest.fixture
async def redis(servers: Servers) -> AsyncIterator[Redis]:
    client = Redis.from_url(servers.valkey.url)
    await client.delete(shared.KEY)
    yield client
    await client.delete(shared.KEY)
    await client.aclose()


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch):
    """Be one process, then another."""

    def be(one: Timelines) -> Timelines:
        monkeypatch.setattr(timelines, "_known", one)
        return one

    return be


async def test_what_one_process_has_seen_another_learns(redis: Redis, processes):
    processes(Timelines()).see(_SYSTEM, 4)
    await shared.exchange(redis)
    other = processes(Timelines())
    other.see(_SYSTEM, 3)
    await shared.exchange(redis)
    assert other.newest(_SYSTEM) == 4
    assert await redis.zscore(shared.KEY, str(_SYSTEM)) == mark(4)


async def test_an_acceptance_reaches_those_who_remember_more(redis: Redis, processes):
    remembering = processes(Timelines())
    remembering.see(_SYSTEM, 9)
    await shared.exchange(redis)
    accepting = processes(Timelines())
    await shared.exchange(redis)
    accepting.accept(_SYSTEM, 2)
    await shared.exchange(redis)
    processes(remembering)
    await shared.exchange(redis)
    assert remembering.newest(_SYSTEM) == 2
    assert await redis.zscore(shared.KEY, str(_SYSTEM)) == mark(2, 1)


async def test_a_redis_that_lost_everything_is_told_again(redis: Redis, processes):
    processes(Timelines()).see(_SYSTEM, 4)
    await shared.exchange(redis)
    await redis.delete(shared.KEY)
    await shared.exchange(redis)
    assert await redis.zscore(shared.KEY, str(_SYSTEM)) == mark(4)


async def test_without_redis_it_goes_on(processes):
    known = processes(Timelines())
    known.see(_SYSTEM, 4)
    away = Redis.from_url("redis://127.0.0.1:1")
    await shared.exchange(away)
    await away.aclose()
    assert known.newest(_SYSTEM) == 4
