"""A coroutine that is interrupted where it waits."""

import asyncio

import pytest

from app.worker.coroutine_interrupt import InterruptibleCoroutine


class _Enough(Exception):  # noqa: N818
    """What it is interrupted with."""


async def _until_interrupted(seen: list[str]) -> str:
    try:
        await asyncio.sleep(60)
    except _Enough:
        seen.append("interrupted")
        await asyncio.sleep(0)
        return "cleaned up"
    return "never"


async def _started(code: InterruptibleCoroutine[str]) -> InterruptibleCoroutine[str]:
    await asyncio.sleep(0)
    return code


async def test_the_error_is_raised_where_it_waits_and_it_may_go_on():
    seen: list[str] = []
    code = await _started(InterruptibleCoroutine(_until_interrupted(seen)))
    code.interrupt(_Enough())
    assert await code.task == "cleaned up"
    assert seen == ["interrupted"]
    assert code.task.cancelling() == 0


async def test_an_error_that_is_not_caught_is_the_end():
    code = await _started(InterruptibleCoroutine(asyncio.sleep(60, "never")))
    code.interrupt(_Enough("told"))
    with pytest.raises(_Enough, match="told"):
        await code.task


async def test_a_cancel_stays_a_cancel():
    code = await _started(InterruptibleCoroutine(asyncio.sleep(60, "never")))
    code.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await code.task


async def test_after_an_interruption_a_cancel_is_a_cancel():
    async def stubborn() -> str:
        try:
            await asyncio.sleep(60)
        except _Enough:
            await asyncio.sleep(60)
        return "never"

    code = await _started(InterruptibleCoroutine(stubborn()))
    code.interrupt(_Enough())
    await asyncio.sleep(0.01)
    code.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await code.task


async def test_timeouts_inside_are_not_confused_by_it():
    async def timed() -> str:
        try:
            async with asyncio.timeout(60):
                await asyncio.sleep(60)
        except _Enough:
            pass
        async with asyncio.timeout(60):
            await asyncio.sleep(0)
        return "done"

    code = await _started(InterruptibleCoroutine(timed()))
    code.interrupt(_Enough())
    assert await code.task == "done"


async def test_what_returns_at_once_returns():
    async def at_once() -> int:
        return 7

    assert await InterruptibleCoroutine(at_once()).task == 7
