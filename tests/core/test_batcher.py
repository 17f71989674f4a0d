"""Callers who come together are answered together."""

import asyncio
from collections.abc import Sequence

import pytest

from app.core.batcher import Batcher
from app.core.errors import Unavailable


class Answers:
    """Doubles numbers, a group at a time, each when it is let."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.allowed = asyncio.Semaphore(0)

    async def __call__(self, items: Sequence[int]) -> list[int]:
        self.groups.append(list(items))
        await self.allowed.acquire()
        if 13 in items:
            raise ValueError(13)
        return [2 * item for item in items]


@pytest.fixture
def answers() -> Answers:
    return Answers()


async def test_what_arrives_meanwhile_makes_the_next_group(answers: Answers) -> None:
    asked = Batcher(answers, max_items=3)
    tasks = [asyncio.create_task(asked.ask(number)) for number in range(5)]
    for _ in range(3):
        answers.allowed.release()
    assert await asyncio.gather(*tasks) == [0, 2, 4, 6, 8]
    assert answers.groups == [[0, 1, 2], [3, 4]]


async def test_an_error_reaches_each_of_its_group_and_no_other(answers: Answers) -> None:
    asked = Batcher(answers, max_items=2)
    tasks = [asyncio.create_task(asked.ask(number)) for number in (13, 1, 2)]
    for _ in range(2):
        answers.allowed.release()
    first, second, third = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(first, ValueError)
    assert isinstance(second, ValueError)
    assert third == 4


async def test_a_caller_who_goes_takes_nothing_from_the_others(answers: Answers) -> None:
    asked = Batcher(answers, max_items=1)
    first, gone, last = (asyncio.create_task(asked.ask(number)) for number in (1, 2, 3))
    await asyncio.sleep(0)
    gone.cancel()
    for _ in range(2):
        answers.allowed.release()
    assert (await first, await last) == (2, 6)
    await asked.close()
    assert answers.groups == [[1], [3]]


async def test_nobody_waits_for_ever(answers: Answers) -> None:
    asked = Batcher(answers, max_items=1, timeout=0.01)
    with pytest.raises(Unavailable):
        await asked.ask(1)
    answers.allowed.release()
    await asked.close()
