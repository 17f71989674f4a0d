"""After one call without an answer Redis is not asked, until it answers a probe."""

import asyncio
from typing import Any, cast

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.quotas.breaker import Breaker


class Pinged:
    """Redis, as far as a probe asks it."""

    def __init__(self) -> None:
        self.is_up = False
        self.pings = 0

    async def ping(self) -> None:
        self.pings += 1
        if not self.is_up:
            raise RedisError


@pytest.fixture
def redis() -> Pinged:
    return Pinged()


async def _answer(text: str) -> str:
    return text


async def _fail() -> str:
    raise RedisError


async def _until(is_so: Any) -> None:
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110 the breaker has no event to wait for
            await asyncio.sleep(0.02)


async def test_an_answer_is_passed_on_and_leaves_the_breaker_closed(redis: Pinged) -> None:
    breaker = Breaker(cast("Redis", redis))
    assert await breaker.ask(_answer("yes")) == "yes"
    assert not breaker.is_open


@pytest.mark.parametrize("call", [_fail, asyncio.Event().wait], ids=["an error", "no answer"])
async def test_it_opens_after_one_failure_and_closes_after_a_ping(redis: Pinged, call: Any) -> None:
    breaker = Breaker(cast("Redis", redis))
    assert await breaker.ask(call()) is None
    assert breaker.is_open
    await _until(lambda: redis.pings > 0)
    assert breaker.is_open
    redis.is_up = True
    await _until(lambda: not breaker.is_open)


async def test_close_ends_the_probe(redis: Pinged) -> None:
    breaker = Breaker(cast("Redis", redis))
    await breaker.ask(_fail())
    await _until(lambda: redis.pings > 0)
    breaker.close()
    await _until(lambda: not breaker.is_open)
    pings = redis.pings
    await asyncio.sleep(0.6)
    assert redis.pings == pings
