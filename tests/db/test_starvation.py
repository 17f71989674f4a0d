"""Long waits for a connection are one line a minute."""

import asyncio
import logging

import pytest

from app.core.errors import Unavailable
from app.db import Database, starvation
from app.db.starvation import Starvation


def _lines(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.message == "a pool of connections starves"]


def test_many_long_waits_are_one_line_a_minute_that_counts_them(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    pool = Starvation("tq_worker", 4)
    for seconds in (0.9, 1.2, 1.5, 1.1):
        pool.waited(seconds)
    [first] = _lines(caplog)
    assert (first.role, first.pool_size, first.waits, first.longest_wait_s) == ("tq_worker", 4, 1, 1.2)
    monkeypatch.setattr(pool, "_next", 0.0)
    pool.waited(1.3)
    second = _lines(caplog)[1]
    assert (second.waits, second.longest_wait_s) == (3, 1.5)


def test_short_waits_are_no_line(caplog: pytest.LogCaptureFixture):
    Starvation("tq_worker", 4).waited(0.99)
    assert _lines(caplog) == []


async def test_a_pool_whose_connections_are_all_lent_says_so(
    environment: dict[str, str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(starvation, "_LONG", 0.05)
    database = Database("tq_api", size=1, url=environment["DATABASE_URL"])

    async def borrow() -> None:
        async with database.connection():
            pass

    try:
        async with database.connection():
            # The connection that is opened first takes time as well; what is counted from here on is the wait.
            caplog.clear()
            monkeypatch.setattr(database._starvation, "_next", 0.0)
            with pytest.raises(Unavailable):
                await borrow()
            await asyncio.sleep(0)
    finally:
        await database.close()
    [line] = _lines(caplog)
    assert (line.role, line.pool_size) == ("tq_api", 1)
    assert line.longest_wait_s >= 1
