"""What asyncpg is told of array types is what the server says, and what it would have asked for itself."""

import datetime as dt
import uuid
from typing import Any

import asyncpg
import pytest
from asyncpg import introspection

from app.db import array_types
from app.db import connection as connections

_VALUES: dict[str, list[Any]] = {
    "bool": [True, None],
    "bytea": [b"a"],
    "int2": [1, None],
    "int4": [-1],
    "int8": [2**40],
    "float8": [0.5, None],
    "date": [dt.date(2026, 2, 3)],
    "timestamptz": [dt.datetime(2026, 2, 3, tzinfo=dt.UTC), None],
    "uuid": [uuid.UUID(int=7)],
}
_OURS = """SELECT statement FROM pg_prepared_statements WHERE statement NOT LIKE '%pg_prepared_statements%'"""


@pytest.fixture
def url(environment: dict[str, str]) -> str:
    return environment["DATABASE_URL"]


def test_each_type_has_a_value_here():
    assert _VALUES.keys() == array_types.ELEMENTS.keys()


@pytest.mark.parametrize("name", _VALUES)
async def test_what_is_known_is_what_the_server_says(url: str, name: str):
    asking = await asyncpg.connect(url)
    try:
        element, array = array_types.ELEMENTS[name]
        rows = await asking.fetch(introspection.INTRO_LOOKUP_TYPES, [array])
    finally:
        await asking.close()
    [told] = [dict(row) for row in rows if row["oid"] == array]
    [known] = [row for row in array_types._ROWS if row["oid"] == array]
    assert {key: told[key] for key in known} == known
    assert element == told["elemtype"]


@pytest.mark.parametrize("name", _VALUES)
async def test_values_go_there_and_back_and_nothing_is_asked_of_the_catalogue(url: str, name: str):
    connection = await connections.connect(url)
    try:
        statement = f"SELECT $1::{name}[]"
        assert await connection.fetchval(statement, _VALUES[name]) == _VALUES[name]
        kept = {row["statement"] for row in await connection.fetch(_OURS)}
    finally:
        await connection.close()
    # What else is there looks up jsonb, when a connection is made.
    assert [one for one in kept if "typeinfo_tree" in one] == []
    assert statement in kept
