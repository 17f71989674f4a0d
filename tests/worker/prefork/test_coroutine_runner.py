"""The loop on which a child's main thread runs coroutines: kept while it is sound, and emptied after each of them."""

import asyncio
import contextlib
import gc
import time
from collections.abc import Iterator
from typing import Any

import pytest

from app.tasks import SoftTimeLimitExceeded
from app.worker.prefork import soft_time_limit
from app.worker.prefork.coroutine_runner import CoroutineRunner


@pytest.fixture
def coroutines() -> Iterator[CoroutineRunner]:
    """Close its loop in the end."""
    made = CoroutineRunner()
    yield made
    made.run(_loop()).close()


async def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


async def _close_the_executor() -> None:
    await asyncio.get_running_loop().shutdown_default_executor()


async def _in_a_thread() -> int:
    return await asyncio.to_thread(lambda: 7)


async def _stop_often() -> str:
    for _ in range(3):
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0.01)
    return "went on"


def test_the_loop_is_kept_from_one_to_the_next(coroutines: CoroutineRunner):
    assert coroutines.run(_loop()) is coroutines.run(_loop())


def test_a_loop_that_was_closed_or_has_lost_its_threads_is_replaced(coroutines: CoroutineRunner):
    coroutines.run(_loop()).close()
    assert not coroutines.run(_loop()).is_closed()
    coroutines.run(_close_the_executor())
    assert coroutines.run(_in_a_thread()) == 7


def test_stopping_it_changes_nothing(coroutines: CoroutineRunner):
    assert coroutines.run(_stop_often()) == "went on"


def test_what_is_left_behind_is_cancelled_before_the_next(coroutines: CoroutineRunner):
    seen: list[str] = []

    async def linger() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            seen.append("ended")

    async def leave() -> Any:
        left = asyncio.create_task(linger())
        await asyncio.sleep(0)
        return left

    assert coroutines.run(leave()).cancelled()
    assert seen == ["ended"]


def test_what_goes_on_all_the_same_gets_no_more_of_the_thread(coroutines: CoroutineRunner):
    rounds: list[float] = []

    async def linger() -> None:
        while len(rounds) < 1_000:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.1)
                rounds.append(time.monotonic())

    async def leave() -> Any:
        left = asyncio.create_task(linger())
        await asyncio.sleep(0)
        return left

    left = coroutines.run(leave())
    seen = len(rounds)
    coroutines.run(asyncio.sleep(0.3))
    assert (left.done(), len(rounds)) == (False, seen)
    # For the interpreter not to complain that it was never awaited to its end.
    rounds += [0.0] * 1_000
    left._log_destroy_pending = False


@pytest.mark.parametrize("where", ["waits", "blocks", "blocks in a task", "blocks in a callback"])
def test_the_time_limit_reaches_it_wherever_it_is(coroutines: CoroutineRunner, where: str):
    seen: list[str] = []

    async def block() -> None:
        time.sleep(30)  # noqa: ASYNC251 that is the mistake

    async def code() -> str:
        try:
            if where == "blocks":
                await block()
            if where == "blocks in a task":
                await asyncio.gather(block(), asyncio.sleep(30))
            if where == "blocks in a callback":
                asyncio.get_running_loop().call_soon(time.sleep, 30)
            await asyncio.sleep(30)
        except SoftTimeLimitExceeded as error:
            # It may wait meanwhile.
            await asyncio.sleep(0.01)
            seen.append(str(error))
        return "cleaned up"

    with soft_time_limit.soft(0.2):
        assert coroutines.run(code()) == "cleaned up"
    assert seen == ["the attempt ran for more than 0.2 s"]


async def _leave_a_stubborn_task(destroyed: list[bool]) -> None:
    async def stubborn() -> None:
        try:
            while True:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(60)
        finally:
            destroyed.append(True)

    asyncio.get_running_loop().create_task(stubborn())
    await asyncio.sleep(0)


def test_what_is_abandoned_is_never_destroyed():
    # In its destructor code that goes on whatever is raised would run for ever.
    coroutines, destroyed = CoroutineRunner(), list[bool]()
    coroutines.run(_leave_a_stubborn_task(destroyed))
    gc.collect()
    assert not destroyed
    # Otherwise asyncio complains in the log when this test lets go of it.
    [task] = [one for one in coroutines._abandoned if isinstance(one, asyncio.Task)]
    task._log_destroy_pending = False
