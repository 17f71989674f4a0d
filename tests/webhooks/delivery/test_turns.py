"""Four requests to an endpoint at once. The others wait for their turn, but not for long."""

import asyncio
from uuid import UUID

import pytest

from app.webhooks.delivery import turns
from app.webhooks.delivery.endpoint_concurrency import PER_ENDPOINT
from app.webhooks.delivery.turns import Turns

ENDPOINT, ANOTHER = (UUID(int=1), "e"), (UUID(int=1), "another")


async def test_a_fifth_request_waits_until_one_has_ended():
    its, going, most, seen = Turns(), 0, 0, 0

    async def send() -> None:
        nonlocal going, most, seen
        async with its.turn(ENDPOINT) as is_taken:
            assert is_taken
            going, most, seen = going + 1, max(most, going + 1), seen + 1
            await asyncio.sleep(0)
            going -= 1

    await asyncio.gather(*(send() for _ in range(20)))
    assert (most, seen) == (PER_ENDPOINT, 20)
    # Nothing is remembered of endpoints that have no requests.
    assert (its._places, its._users) == ({}, {})


async def test_a_turn_that_does_not_come_is_none_and_another_endpoint_has_its_own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(turns, "MAX_WAIT", 0.05)
    its, done = Turns(), asyncio.Event()

    async def hang() -> None:
        async with its.turn(ENDPOINT):
            await done.wait()

    hanging = [asyncio.create_task(hang()) for _ in range(PER_ENDPOINT)]
    await asyncio.sleep(0)
    async with its.turn(ENDPOINT) as is_taken:
        assert not is_taken
    async with its.turn(ANOTHER) as is_taken:
        assert is_taken
    done.set()
    await asyncio.gather(*hanging)
    async with its.turn(ENDPOINT) as is_taken:
        assert is_taken
