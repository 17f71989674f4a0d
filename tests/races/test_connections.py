"""One connection is handed from borrower to borrower; nobody waits for it, and no broken one is handed on."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from app.core.errors import Unavailable
from app.db import Database, pool
from tests.races.conftest import Yard

_MINE = "SELECT pid FROM pg_stat_activity WHERE usename = 'tq_api' AND datname = 'races'"


@pytest.fixture
async def api(yard: Yard) -> AsyncIterator[Database]:
    database = yard.database("tq_api", 2)
    yield database
    await database.close()


async def _pid(database: Database) -> int:
    async with database.statement() as connection:
        return int(await connection.fetchval("SELECT pg_backend_pid()"))


async def _until_gone(yard: Yard, pids: set[int]) -> None:
    async with asyncio.timeout(10):
        while pids & {row["pid"] for row in await yard.owner.fetch(_MINE)}:  # noqa: ASYNC110 the server's state
            await asyncio.sleep(0.01)


async def test_borrowers_after_one_another_share_a_connection_whatever_they_borrow_it_for(api: Database, yard: Yard):
    tenant_id = await yard.tenant()
    first = await _pid(api)
    async with api.transaction(tenant_id) as connection:
        assert await connection.fetchval("SELECT pg_backend_pid()") == first
    assert await _pid(api) == first


async def test_many_at_once_share_what_there_is_and_all_are_served(api: Database):
    async def slowly() -> int:
        async with api.statement() as connection:
            return int(await connection.fetchval("SELECT pg_backend_pid() FROM pg_sleep(0.01)"))

    async with asyncio.timeout(20):
        seen = await asyncio.gather(*(slowly() for _ in range(40)))
    assert len(set(seen)) == 2


async def test_a_lone_connection_reaches_who_waits_for_it(yard: Yard):
    alone = yard.database("tq_api", 1)

    async def in_turn(times: int) -> None:
        for _ in range(times):
            async with alone.statement() as connection:
                await connection.fetchval("SELECT pg_sleep(0.005)")

    try:
        # None of them keeps it to itself for longer than a waiter's patience.
        async with asyncio.timeout(20):
            await asyncio.gather(*(in_turn(50) for _ in range(4)))
    finally:
        await alone.close()


async def test_one_that_the_server_has_ended_is_replaced_unnoticed(api: Database, yard: Yard):
    before = await _pid(api)
    await yard.owner.execute("SELECT pg_terminate_backend($1)", before)
    await _until_gone(yard, {before})
    # One turn of the loop reads that it has ended.
    await asyncio.sleep(0.05)
    assert await _pid(api) != before


async def test_one_whose_borrower_gave_up_is_not_handed_on(api: Database):
    before = await _pid(api)
    with pytest.raises(TimeoutError):
        async with api.connection() as connection, asyncio.timeout(0.05):
            await connection.fetchval("SELECT pg_sleep(30)")
    assert await _pid(api) != before


async def test_one_that_was_used_twice_at_once_is_not_handed_on_busy(api: Database):
    with pytest.raises(Unavailable):
        async with api.statement() as connection:
            under_way = asyncio.create_task(connection.fetchval("SELECT pg_sleep(0.2)"))
            await asyncio.sleep(0.05)
            await connection.fetchval("SELECT 1")
    await asyncio.wait([under_way])
    assert await _pid(api)


async def test_an_error_of_sql_costs_no_connection(api: Database):
    before = await _pid(api)
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with api.statement() as connection:
            await connection.fetchval("SELECT 1 / 0")
    assert await _pid(api) == before


async def test_an_unfinished_transaction_is_ended_before_the_next_borrower(api: Database):
    async with api.connection() as connection:
        await connection.execute("BEGIN")
    async with api.connection() as connection:
        assert not connection.is_in_transaction()


async def test_one_that_nobody_borrows_is_closed_and_the_kept_one_stays(yard: Yard, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pool, "_MAX_IDLE", 0.2)
    database = yard.database("tq_api", 2)
    try:
        async with database.connection() as first, database.connection() as second:
            unused, kept = [await one.fetchval("SELECT pg_backend_pid()") for one in (first, second)]
        await _until_gone(yard, {unused})
        assert await _pid(database) == kept
    finally:
        await database.close()


async def test_closing_ends_the_kept_and_the_borrowed(yard: Yard):
    database = yard.database("tq_api", 2)
    mine = {await _pid(database)}
    async with database.connection() as connection:
        mine.add(await connection.fetchval("SELECT pg_backend_pid()"))
        closing = asyncio.create_task(database.close())
        await asyncio.sleep(0.05)
        assert not closing.done()
    await closing
    await _until_gone(yard, mine)
