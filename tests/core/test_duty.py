"""A duty that fails is a line in the log and a pause, and no more."""

import asyncio
import logging

import pytest

from app.core import duty
from app.core.duty import Duty


class _GoneError(Exception):
    pass


async def _fail() -> None:
    raise ValueError("no")


async def _succeed() -> int:
    return 7


def _lines(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.message == "a duty has failed"]


async def test_a_failure_is_logged_with_its_name_and_counted_and_the_pause_grows(caplog: pytest.LogCaptureFixture):
    failing = Duty("sweep")
    for _ in range(12):
        assert await failing.run(_fail) is None
    lines = _lines(caplog)
    assert {line.duty for line in lines} == {"sweep"}
    assert [line.failures for line in lines] == list(range(1, 13))
    assert [line.pause_s for line in lines] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    assert all(line.exc_info and "ValueError" in str(line.exc_info) for line in lines)


async def test_a_duty_that_failed_is_not_due_before_its_pause_has_passed():
    failing = Duty("sweep")
    assert failing.is_due()
    await failing.run(_fail)
    assert not failing.is_due()
    assert not failing.is_due(at_once=True)
    assert 0 < failing.seconds_left <= 1


async def test_a_success_ends_the_pauses_and_the_count_of_all_failures_stays():
    mended = Duty("sweep")
    await mended.run(_fail)
    assert await mended.run(_succeed) == 7
    assert (mended.failures, mended.failures_in_all) == (0, 1)
    assert mended.is_due()


async def test_a_rare_duty_that_failed_is_tried_again_soon():
    rare = Duty("months", 3600)
    await rare.run(_fail)
    assert rare.seconds_left <= 1
    await rare.run(_succeed)
    assert rare.seconds_left > 3000


async def test_what_the_caller_handles_is_raised(caplog: pytest.LogCaptureFixture):
    passing = Duty("sweep", passes=lambda error: isinstance(error, _GoneError | TimeoutError))

    async def be_gone() -> None:
        raise _GoneError

    with pytest.raises(_GoneError):
        await passing.run(be_gone)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await passing.run(lambda: asyncio.sleep(60))
    assert _lines(caplog) == []


async def test_a_duty_that_takes_too_long_has_failed_even_where_a_timeout_is_the_callers(
    caplog: pytest.LogCaptureFixture,
):
    endless = Duty("sweep", passes=lambda error: isinstance(error, TimeoutError), max_seconds=0.01)
    assert await endless.run(lambda: asyncio.sleep(60)) is None
    assert len(_lines(caplog)) == 1


async def test_what_never_ends_is_begun_again_when_it_does(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(duty, "_FIRST_PAUSE", 0.001)
    begun, third = [], asyncio.Event()

    async def end_by_itself_or_fail() -> None:
        begun.append(1)
        if len(begun) == 1:
            raise ValueError("no")
        if len(begun) == 3:
            third.set()
            await asyncio.sleep(60)

    running = asyncio.create_task(duty.keep_running("beat", end_by_itself_or_fail))
    async with asyncio.timeout(10):
        await third.wait()
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    assert [(line.duty, bool(line.exc_info)) for line in _lines(caplog)] == [("beat", True), ("beat", False)]
