"""The connection that all scripts of an api process share."""

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError

from app.broker.script import Script
from app.broker.script_connection import ScriptConnection
from tests.broker.processes import Valkey

ECHO = Script("return {KEYS[1], ARGV[1]}")


@pytest.fixture
async def scripts(valkey: Valkey) -> AsyncIterator[ScriptConnection]:
    made = ScriptConnection(valkey.url())
    yield made
    await made.close()


async def _echo(scripts: ScriptConnection, number: int) -> None:
    assert await ECHO.run(scripts, [f"k{number}"], [number]) == [b"k%d" % number, b"%d" % number]


async def test_each_of_many_callers_gets_its_own_answer(store: Redis, scripts: ScriptConnection):
    store.script_flush()
    # Other tests' connections may still be open, and their workers, in another database, open some at any time.
    own = str(store.connection_pool.connection_kwargs["db"])
    before = {client["id"] for client in store.client_list()}
    await asyncio.gather(*(_echo(scripts, number) for number in range(500)))
    new = [client for client in store.client_list() if client["id"] not in before and client["db"] == own]
    assert len(new) == 1


async def test_an_error_is_for_its_caller_alone(scripts: ScriptConnection):
    answers = await asyncio.gather(
        _echo(scripts, 1), scripts.evalsha("0" * 40, 0), scripts.eval("return redis.call('NO')", 0),
        _echo(scripts, 2), return_exceptions=True,
    )  # fmt: skip
    assert [type(answer) for answer in answers] == [type(None), NoScriptError, ResponseError, type(None)]


async def test_a_caller_that_has_gone_takes_nobodys_answer(scripts: ScriptConnection):
    await scripts.ping()
    gone = asyncio.create_task(_echo(scripts, 0))
    others = [asyncio.create_task(_echo(scripts, number)) for number in range(1, 4)]
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(*others)
    assert gone.cancelled()


async def test_a_connection_that_redis_closes_is_opened_again(store: Redis, scripts: ScriptConnection):
    for _ in range(3):
        await _echo(scripts, 1)
        store.client_kill_filter(_type="normal", skipme=True)
        await _echo(scripts, 2)


async def test_without_redis_a_caller_is_told_at_once_and_later_it_works(own_valkey: Valkey):
    scripts = ScriptConnection(own_valkey.url())
    try:
        await _echo(scripts, 1)
        own_valkey.kill()
        for _ in range(2):
            with pytest.raises(RedisConnectionError):
                await scripts.ping()
        own_valkey.start()
        await _echo(scripts, 2)
    finally:
        await scripts.close()


async def test_a_silent_connection_is_given_up(own_valkey: Valkey):
    scripts = ScriptConnection(own_valkey.url())
    try:
        await scripts.ping()
        own_valkey.process.send_signal(signal.SIGSTOP)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await scripts.ping()
        silent = scripts._connection
        async with asyncio.timeout(20):
            while scripts._connection is silent:
                try:
                    async with asyncio.timeout(0.2):
                        await scripts.ping()
                except TimeoutError:
                    pass
        own_valkey.process.send_signal(signal.SIGCONT)
        await _echo(scripts, 1)
    finally:
        await scripts.close()


async def test_callers_that_wait_at_the_end_are_told(own_valkey: Valkey):
    scripts = ScriptConnection(own_valkey.url())
    await scripts.ping()
    own_valkey.process.send_signal(signal.SIGSTOP)
    waiting = [asyncio.create_task(scripts.ping()) for _ in range(2)]
    await asyncio.sleep(0)
    await scripts.close()
    answers = await asyncio.gather(*waiting, scripts.ping(), return_exceptions=True)
    own_valkey.process.send_signal(signal.SIGCONT)
    assert [type(answer) for answer in answers] == [RedisConnectionError] * 3
