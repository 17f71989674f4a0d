"""Which attempt owns an asyncio task is known while the task runs, and keeps neither of them alive."""

import asyncio
import gc
import weakref

from app.worker.aio import task_ownership


class Attempt:
    """It refers to the task of its code, as a runner does."""

    code: "asyncio.Task[None]"


async def _own_a_task() -> "weakref.ref[Attempt]":
    asyncio.get_running_loop().set_task_factory(task_ownership.make_task)
    attempt = Attempt()
    token = task_ownership.owner.set(attempt)
    attempt.code = asyncio.create_task(asyncio.sleep(0))
    task_ownership.owner.reset(token)
    assert task_ownership.get_owner(attempt.code) is attempt
    await attempt.code
    return weakref.ref(attempt)


def test_an_attempt_that_has_ended_is_not_kept():
    with asyncio.Runner() as runner:
        attempt = runner.run(_own_a_task())
        gc.collect()
        assert attempt() is None
