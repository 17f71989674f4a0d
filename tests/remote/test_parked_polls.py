"""Lease calls that wait: which of them a message wakes, and that no task is missed. Redis and Postgres are real."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from app.broker import tickets
from app.core.errors import TooManyPolls
from app.http import long_poll
from app.remote.parked_polls import ParkedPoll, ParkedPolls
from tests.broker.processes import Valkey
from tests.conftest import Servers

A, B = uuid4(), uuid4()
SOON = 10.0


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A server that the test may kill."""
    server = Valkey(tmp_path)
    yield server
    server.kill()


@asynccontextmanager
async def listening(url: str) -> AsyncIterator[ParkedPolls]:
    polls = ParkedPolls(url)
    await polls.start()
    running = asyncio.create_task(polls.run())
    try:
        yield polls
    finally:
        running.cancel()
        await asyncio.wait([running])
        await polls.close()


@pytest.fixture
async def polls(servers: Servers) -> AsyncIterator[ParkedPolls]:
    """The polls of a process that hears messages."""
    async with listening(servers.valkey.url) as polls:
        yield polls


@pytest.fixture
async def redis(servers: Servers) -> AsyncIterator[AsyncRedis]:
    """Where tickets are offered."""
    client = AsyncRedis.from_url(servers.valkey.url)
    yield client
    await client.aclose()


@contextmanager
def parked(polls: ParkedPolls, tenant_id: UUID = A, *task_types: str, max_tasks: int = 1) -> Iterator[ParkedPoll]:
    with polls.parked(tenant_id, task_types or ("z",), max_tasks=max_tasks, limit=100) as poll:
        yield poll


async def is_woken(poll: ParkedPoll) -> bool:
    """Return whether the poll is woken already."""
    return await poll.hear(0)


async def test_a_ticket_wakes_a_poll_of_its_tenant_and_type_and_no_other(polls: ParkedPolls, redis: AsyncRedis):
    with parked(polls, A, "z") as one, parked(polls, A, "y") as other_type, parked(polls, B, "z") as foreign:
        await tickets.offer_many(redis, [(A, "remote:z", 1)])
        assert await one.hear(SOON)
        assert not await is_woken(other_type)
        assert not await is_woken(foreign)


async def test_a_ticket_before_the_first_wait_is_not_missed(polls: ParkedPolls, redis: AsyncRedis):
    with parked(polls, A, "z") as poll, parked(polls, B, "z") as last:
        with poll.looking():
            # The look has begun, and finds nothing. Now the task is committed, and its ticket is heard before the wait.
            await tickets.offer_many(redis, [(A, "remote:z", 1), (B, "remote:z", 1)])
            assert await last.hear(SOON)
        assert await poll.hear(SOON)


async def test_as_many_polls_are_woken_as_there_are_tasks_the_oldest_first(polls: ParkedPolls):
    with parked(polls) as first, parked(polls) as second, parked(polls) as third:
        polls.wake(A, "z", 1)
        polls.wake(A, "z", 1)
        assert [await is_woken(poll) for poll in (first, second, third)] == [True, True, False]
        with first.looking():
            pass
        polls.wake(A, "z", 2)
        assert [await is_woken(poll) for poll in (first, second, third)] == [True, False, True]


async def test_a_poll_that_takes_many_tasks_is_woken_alone_for_them(polls: ParkedPolls):
    with parked(polls, max_tasks=5) as many, parked(polls) as one, parked(polls) as last:
        polls.wake(A, "z", 3)
        assert [await is_woken(poll) for poll in (many, one, last)] == [True, False, False]
        polls.wake(A, "z", 3)
        assert [await is_woken(poll) for poll in (many, one, last)] == [True, True, False]


async def test_a_poll_that_leaves_without_a_look_passes_its_wake_up_on(polls: ParkedPolls):
    with parked(polls, A, "z", "y") as heir, parked(polls, A, "y") as other:
        with parked(polls, A, "x", "z") as gone:
            with heir.looking():
                pass
            polls.wake(A, "z", 1)
            assert await is_woken(gone)
            assert not await is_woken(heir)
        assert await is_woken(heir)
        assert not await is_woken(other)


async def test_a_poll_whose_look_fails_passes_its_wake_up_on(polls: ParkedPolls):
    with parked(polls) as heir:
        with pytest.raises(ZeroDivisionError), parked(polls) as failing:
            with heir.looking():
                pass
            polls.wake(A, "z", 1)
            with failing.looking():
                raise ZeroDivisionError
        assert await is_woken(heir)


async def test_a_poll_that_has_looked_passes_nothing_on(polls: ParkedPolls):
    with parked(polls) as heir:
        with parked(polls) as poll:
            with heir.looking():
                pass
            polls.wake(A, "z", 1)
            with poll.looking():
                pass
        assert not await is_woken(heir)


async def test_a_tenant_has_as_many_polls_as_its_limit_and_others_have_theirs(polls: ParkedPolls):
    with polls.parked(A, ["z"], max_tasks=1, limit=1):
        with pytest.raises(TooManyPolls) as refused, polls.parked(A, ["y"], max_tasks=1, limit=1):
            pass
        assert (refused.value.extensions["limit"], refused.value.headers) == (1, {"Retry-After": "5"})
        with polls.parked(B, ["z"], max_tasks=1, limit=1):
            pass
    with polls.parked(A, ["z"], max_tasks=1, limit=1):
        pass


async def test_nothing_is_left_of_polls_that_have_ended(polls: ParkedPolls):
    with parked(polls, A, "z", "y") as poll, parked(polls, B):
        polls.wake(A, "z", 9)
        with poll.looking():
            pass
    assert (polls._queues, polls._counts) == ({}, {})
    assert not long_poll._open


async def test_the_end_of_the_server_ends_each_poll(polls: ParkedPolls):
    with parked(polls, A) as one, parked(polls, B) as other:
        long_poll.end_all()
        for poll in (one, other):
            assert await is_woken(poll)
            assert poll.is_over


async def test_without_redis_one_poll_of_each_tenant_and_type_looks_again_and_again(own_valkey: Valkey):
    async with listening(own_valkey.url()) as polls:
        with parked(polls, A) as first, parked(polls, A) as second, parked(polls, B) as other:
            own_valkey.kill()
            for _ in range(3):
                assert await first.hear(SOON)
                assert await other.hear(SOON)
                # It has not looked yet, so the next look of this tenant is the other's.
                assert await second.hear(SOON)
                for poll in (first, second, other):
                    with poll.looking():
                        pass


async def test_when_redis_is_back_one_poll_of_each_looks_and_messages_arrive(own_valkey: Valkey):
    async with listening(own_valkey.url()) as polls:
        own_valkey.kill()
        with parked(polls, A) as poll:
            own_valkey.start()
            while not polls._subscription.healthy:
                await poll.hear(0.1)
            with poll.looking():
                pass
            await poll.hear(0)
            async with AsyncRedis.from_url(own_valkey.url()) as client:
                await tickets.offer_many(client, [(A, "remote:z", 1)])
            assert await poll.hear(SOON)


async def test_a_message_that_makes_no_sense_is_ignored(polls: ParkedPolls, servers: Servers, redis: AsyncRedis):
    with parked(polls) as poll, Redis.from_url(servers.valkey.url) as client:
        for rubbish in (b"", b"\xff\xfe", b"x 1 z", A.hex.encode(), f"{A.hex} many z".encode(), f"{A.hex} 1".encode()):
            client.publish("work", rubbish)
        await tickets.offer_many(redis, [(A, "remote:z", 1)])
        assert await poll.hear(SOON)
        assert poll.told == {"z": 1}
