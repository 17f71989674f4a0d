"""Connections that the server ends while they rest in a pool: who takes one next is told that Postgres is away, no more."""

import asyncio
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from app.core.errors import Unavailable
from app.db import Database
from tests.conftest import role_url
from tests.faults.proxy import Proxy, Weather
from tests.faults.waiting import until
from tests.races.conftest import Yard

_TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'tq_api' AND datname = 'races'"


@pytest.fixture
def wire(yard: Yard) -> Iterator[Proxy]:
    """A line to Postgres."""
    made = Proxy(urlsplit(yard.environment["DATABASE_URL"]).port or 0)
    yield made
    made.close()


async def test_a_connection_whose_last_words_were_read_is_away(yard: Yard, wire: Proxy):
    tenant_id = await yard.tenant()
    url = urlsplit(role_url(yard.environment, "tq_api"))
    api = Database("tq_api", size=1, url=url._replace(netloc=f"{url.netloc.rpartition(':')[0]}:{wire.port}").geturl())
    try:
        async with api.transaction(tenant_id) as connection:
            assert await connection.fetchval("SELECT 1") == 1
        # The server says why it ends the connection. That it has ended comes a moment later, here much later.
        wire.weather = Weather(is_holding_ends=True)
        await yard.owner.execute(_TERMINATE)
        await asyncio.to_thread(until, lambda: wire.held_ends, "the end of the connection", 10)
        # The words were passed on before: one turn of the loop reads them.
        await asyncio.sleep(0.05)
        with pytest.raises(Unavailable):
            async with api.transaction(tenant_id) as connection:
                await connection.fetchval("SELECT 1")
        wire.clear()
        async with api.transaction(tenant_id) as connection:
            assert await connection.fetchval("SELECT 1") == 1
    finally:
        await api.close()
