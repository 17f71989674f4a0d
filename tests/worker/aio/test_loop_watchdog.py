"""Who has brought the asyncio pool's loop to a standstill: one and the same task for ten seconds, and nothing less."""

import asyncio
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from app.worker.aio.loop_watchdog import Holder, LoopWatchdog
from app.worker.runtime import MAX_STALL_SECONDS

_OVERDUE: list[Holder] = []


@pytest.fixture
def watched() -> Iterator[LoopWatchdog]:
    """Watch a loop that does not run; a test says what is seen at which time."""
    runtime: Any = SimpleNamespace(
        loop=asyncio.SelectorEventLoop(), thread_id=threading.get_ident(), alive_at=time.monotonic()
    )
    made = LoopWatchdog(runtime, lambda _: None, lambda holder: holder in _OVERDUE)
    made.close()
    yield made
    runtime.loop.close()


def _looks(watched: LoopWatchdog, holders: list[Holder], step: float = 0.5) -> bool:
    now = watched._looked_at
    return any(watched._stands_still(holder, now := now + step) for holder in holders)


def _task() -> Any:
    return object()


def test_one_task_that_holds_the_loop_for_ten_seconds_is_a_standstill(watched: LoopWatchdog):
    holder = _task()
    assert not _looks(watched, [holder] * int(MAX_STALL_SECONDS / 0.5))
    assert _looks(watched, [holder] * 2)


def test_a_callback_may_hold_it_too(watched: LoopWatchdog):
    assert _looks(watched, [None] * (int(MAX_STALL_SECONDS / 0.5) + 2))


def test_code_whose_time_is_over_gets_two_seconds(watched: LoopWatchdog):
    _OVERDUE.append(holder := _task())
    assert not _looks(watched, [holder] * 4)
    assert _looks(watched, [holder] * 2)


def test_many_tasks_that_hold_it_in_turn_are_merely_slow(watched: LoopWatchdog):
    assert not _looks(watched, [_task() for _ in range(100)])


def test_a_loop_that_runs_is_no_standstill_whichever_task_is_seen(watched: LoopWatchdog):
    holder, now = _task(), watched._looked_at
    for _ in range(100):
        watched._runtime.alive_at = now = now + 0.5
        assert not watched._stands_still(holder, now)


def test_a_process_that_was_stopped_begins_again(watched: LoopWatchdog):
    holder = _task()
    # It has not computed meanwhile.
    assert not _looks(watched, [holder], step=60.0)
    assert not _looks(watched, [holder] * int(MAX_STALL_SECONDS / 0.5))
    assert _looks(watched, [holder] * 2)
