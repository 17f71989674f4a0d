"""What Postgres says when it cannot do its work, or must not: the caller is to come back, and finds a new connection."""

import logging

import asyncpg
import pytest

from app.core.errors import Unavailable
from app.db import Database
from tests.races.conftest import Yard

_BY_THE_SERVER = ["08006", "08P01", "25006", "25P03", "25P04", "53100", "53200", "57P01", "57P05", "58000", "58030"]
_OUR_OWN_FAULT = ["25000", "25001", "25P01", "25P02"]


def _raise(sqlstate: str) -> str:
    return f"DO $$ BEGIN RAISE EXCEPTION 'said so' USING ERRCODE = '{sqlstate}'; END $$"


async def _pid(database: Database) -> int:
    async with database.statement() as connection:
        return connection.get_server_pid()


@pytest.mark.parametrize("sqlstate", [*_BY_THE_SERVER, *_OUR_OWN_FAULT])
@pytest.mark.parametrize("scope", ["statement", "transaction"])
async def test_its_caller_is_to_come_back_and_the_connection_is_dropped(
    yard: Yard, sqlstate: str, scope: str, caplog: pytest.LogCaptureFixture
):
    database = yard.database("tq_api", 1)
    try:
        before = await _pid(database)
        with pytest.raises(Unavailable):
            async with getattr(database, scope)() as connection:
                await connection.execute(_raise(sqlstate))
        assert await _pid(database) != before
    finally:
        await database.close()
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [bool(record.exc_info) for record in errors] == [True] * (sqlstate in _OUR_OWN_FAULT)


@pytest.mark.parametrize("sqlstate", ["40P01", "40001"])
@pytest.mark.parametrize("scope", ["statement", "transaction"])
async def test_whoever_was_in_a_deadlock_is_to_come_back_by_the_same_connection(yard: Yard, sqlstate: str, scope: str):
    database = yard.database("tq_api", 1)
    try:
        before = await _pid(database)
        with pytest.raises(Unavailable):
            async with getattr(database, scope)() as connection:
                await connection.execute(_raise(sqlstate))
        assert await _pid(database) == before
    finally:
        await database.close()


async def test_a_statement_that_took_too_long_costs_no_connection(yard: Yard):
    database = yard.database("tq_api", 1)
    try:
        before = await _pid(database)
        with pytest.raises(Unavailable):
            async with database.transaction() as connection:
                await connection.execute("SET LOCAL statement_timeout = 1; SELECT pg_sleep(9)")
        assert await _pid(database) == before
    finally:
        await database.close()


async def test_an_error_of_sql_is_not_taken_for_an_absent_server(yard: Yard):
    database = yard.database("tq_api", 1)
    try:
        with pytest.raises(asyncpg.DivisionByZeroError):
            async with database.transaction() as connection:
                await connection.execute("SELECT 1/0")
    finally:
        await database.close()


async def test_a_pool_leaves_a_server_that_has_become_read_only(yard: Yard):
    database = yard.database("tq_api", 2)
    try:
        async with database.statement() as one, database.statement() as other:
            before = {one.get_server_pid(), other.get_server_pid()}
        with pytest.raises(Unavailable):
            async with database.statement() as connection:
                await connection.execute(_raise("25006"))
        async with database.statement() as one, database.statement() as other:
            assert not before & {one.get_server_pid(), other.get_server_pid()}
    finally:
        await database.close()
