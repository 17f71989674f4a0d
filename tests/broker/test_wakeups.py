"""Waking those who wait."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest
import redis.asyncio
from redis import Redis

from app.broker.wakeups import Waiters, Wakeup, listen_cancels, publish_cancel, publish_done
from tests.broker.processes import Valkey

SOON = 5.0


async def become(check: Callable[[], object]) -> None:
    """Wait until ``check()`` is true."""
    async with asyncio.timeout(SOON):
        while not check():  # noqa: ASYNC110 the change comes from another process
            await asyncio.sleep(0.005)


@asynccontextmanager
async def listening(url: str) -> AsyncIterator[Waiters]:
    waiters = Waiters(url)
    await waiters.start()
    try:
        yield waiters
    finally:
        await waiters.close()


@pytest.fixture
async def waiters(valkey: Valkey) -> AsyncIterator[Waiters]:
    async with listening(valkey.url()) as waiters:
        yield waiters


def connections(store: Redis) -> int:
    """Count the subscribed connections of this database."""
    return sum(client["db"] == "0" for client in store.client_list(_type="pubsub"))


async def test_waiter_is_woken_when_the_task_is_done(astore: redis.asyncio.Redis, waiters: Waiters) -> None:
    task_id = uuid4()
    with waiters.watch(task_id) as wakeup:
        await publish_done(astore, [uuid4(), task_id])
        assert await wakeup.wait(SOON)
        assert not await wakeup.wait(0.01)


async def test_waiter_is_not_woken_by_another_task(astore: redis.asyncio.Redis, waiters: Waiters) -> None:
    with waiters.watch(uuid4()) as wakeup:
        await publish_done(astore, [uuid4()])
        assert not await wakeup.wait(0.05)


async def test_task_that_ends_at_once_is_heard(astore: redis.asyncio.Redis, waiters: Waiters) -> None:
    # The same id again and again: what an earlier round has left must not be taken for this one's.
    task_id = uuid4()
    for _ in range(100):
        with waiters.watch(task_id) as wakeup:
            await publish_done(astore, [task_id])
            assert await wakeup.wait(SOON)


async def test_many_waiters_share_one_connection_and_hear_of_many_tasks_at_once(
    astore: redis.asyncio.Redis, store: Redis, waiters: Waiters
) -> None:
    task_ids = [uuid4() for _ in range(100)]
    entered: list[Wakeup] = []

    async def wait(task_id: UUID) -> bool:
        with waiters.watch(task_id) as wakeup:
            entered.append(wakeup)
            return await wakeup.wait(SOON)

    waits = [asyncio.create_task(wait(task_id)) for task_id in task_ids * 5]
    await become(lambda: len(entered) == 500)
    assert connections(store) == 1
    await publish_done(astore, task_ids)
    assert all(await asyncio.gather(*waits))


async def test_every_process_hears_of_every_end_also_one_that_starts_later(
    astore: redis.asyncio.Redis, valkey: Valkey, waiters: Waiters
) -> None:
    task_id = uuid4()
    with waiters.watch(task_id) as earlier:
        async with listening(valkey.url()) as others:
            with others.watch(task_id) as later:
                await publish_done(astore, [task_id])
                assert await earlier.wait(SOON)
                assert await later.wait(SOON)
        with waiters.watch(task_id) as another:
            await publish_done(astore, [task_id])
            assert await another.wait(SOON)


@pytest.mark.parametrize("message", [b"", b"no id", bytes(17)])
async def test_what_is_no_id_ends_nothing(astore: redis.asyncio.Redis, waiters: Waiters, message: bytes) -> None:
    task_id = uuid4()
    with waiters.watch(task_id) as wakeup:
        await astore.publish("done", message)
        await publish_done(astore, [task_id])
        assert await wakeup.wait(SOON)
    assert waiters.healthy


async def test_waiter_that_is_cancelled_leaves_the_others_alone(astore: redis.asyncio.Redis, waiters: Waiters) -> None:
    task_id = uuid4()

    async def wait() -> None:
        with waiters.watch(task_id) as wakeup:
            await wakeup.wait(SOON)

    for _ in range(20):
        hung_up = asyncio.create_task(wait())
        await asyncio.sleep(0)
        hung_up.cancel()
        await asyncio.wait([hung_up])
    with waiters.watch(task_id) as wakeup:
        await publish_done(astore, [task_id])
        assert await wakeup.wait(SOON)
    assert waiters.healthy


async def test_waiters_are_told_of_a_loss_and_are_woken_again_after_it(own_valkey: Valkey) -> None:
    task_id = uuid4()
    async with listening(own_valkey.url()) as waiters:
        with waiters.watch(task_id) as wakeup:
            own_valkey.kill()
            assert await wakeup.wait(SOON)  # look now, and poll from here on
            assert not waiters.healthy
            async with asyncio.timeout(SOON):
                assert not await wakeup.wait(60)
            own_valkey.start()
            await become(lambda: waiters.healthy)
            assert await wakeup.wait(SOON)  # the gap may hide what was published in it
            async with redis.asyncio.Redis.from_url(own_valkey.url()) as client:
                await publish_done(client, [task_id])
            assert await wakeup.wait(SOON)


async def test_waiters_start_and_close_while_redis_is_away(own_valkey: Valkey) -> None:
    own_valkey.kill()
    async with asyncio.timeout(SOON), listening(own_valkey.url()) as waiters:
        with waiters.watch(uuid4()) as wakeup:
            assert not await wakeup.wait(60)
        assert not waiters.healthy
        own_valkey.start()
        await become(lambda: waiters.healthy)


async def test_closed_waiters_leave_no_task_and_no_connection(valkey: Valkey, store: Redis) -> None:
    tasks = asyncio.all_tasks()
    async with listening(valkey.url()) as waiters:
        with waiters.watch(uuid4()):
            assert asyncio.all_tasks() > tasks
    assert asyncio.all_tasks() == tasks
    await become(lambda: connections(store) == 0)


async def test_cancels_are_heard_and_a_failing_callback_ends_nothing(
    astore: redis.asyncio.Redis, valkey: Valkey, store: Redis
) -> None:
    heard: list[UUID] = []

    def hear(task_id: UUID) -> None:
        heard.append(task_id)
        if len(heard) == 1:
            raise RuntimeError

    listener = asyncio.create_task(listen_cancels(valkey.url(), hear))
    await become(lambda: store.pubsub_channels("cancel"))
    await astore.publish("cancel", "no id")
    task_ids = [uuid4(), uuid4()]
    for task_id in task_ids:
        await publish_cancel(astore, task_id)
    await become(lambda: len(heard) == 2)
    assert heard == task_ids
    listener.cancel()
    await asyncio.wait([listener])
    await become(lambda: not store.pubsub_channels("cancel"))
