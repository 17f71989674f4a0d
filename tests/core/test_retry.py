"""What is tried again until a server is back."""

import asyncio
import time

import pytest

from app.core import retry


class _Away(Exception):  # noqa: N818 it stands for an error of the server
    pass


class _Server:
    """A server that is away for so many calls."""

    def __init__(self, calls_away: int) -> None:
        self.calls_away = calls_away
        self.warned: list[tuple[str, float]] = []

    async def call(self) -> str:
        self.calls_away -= 1
        if self.calls_away >= 0:
            raise _Away
        return "answer"

    def warn(self, error: Exception, pause: float) -> None:
        self.warned.append((type(error).__name__, pause))


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return slept


async def test_the_first_answer_is_returned_after_growing_pauses(no_pauses: list[float]):
    server = _Server(8)
    assert await retry.until_back(server.call, _Away, server.warn) == "answer"
    assert no_pauses == [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 5.0, 5.0]
    assert server.warned == [("_Away", pause) for pause in no_pauses]


async def test_another_error_is_raised_at_once(no_pauses: list[float]):
    server = _Server(1)
    with pytest.raises(_Away):
        await retry.until_back(server.call, (OSError, ValueError), server.warn)
    assert no_pauses == server.warned == []


async def test_no_try_is_made_after_its_time(no_pauses: list[float]):
    server = _Server(8)
    with pytest.raises(_Away):
        await retry.until_back(server.call, _Away, server.warn, until=time.monotonic() + 0.4)
    assert no_pauses == [0.1, 0.2]
    assert server.calls_away == 5


async def test_a_look_is_repeated_until_it_finds_something_however_long_the_server_is_away():
    server, looks = _Server(calls_away=30), 0

    async def look() -> str:
        nonlocal looks
        looks += 1
        return await server.call() if looks != 32 else ""

    assert await retry.until_found(look, _Away, interval=1.0, seconds=60.0) == "answer"
    server = _Server(calls_away=0)
    assert await retry.until_found(look, _Away, interval=1.0, seconds=60.0) == "answer"


async def test_looks_end_when_nothing_was_found_for_long_enough(
    monkeypatch: pytest.MonkeyPatch, no_pauses: list[float]
):
    monkeypatch.setattr(time, "monotonic", lambda: float(sum(no_pauses)))
    server = _Server(calls_away=5)

    async def look() -> list[str]:
        await server.call()
        return []

    assert await retry.until_found(look, _Away, interval=0.5, seconds=3.0) is None
    # Five looks while the server was away, then looks for 3 s.
    assert sum(no_pauses) == 0.5 * 5 + 3.0
