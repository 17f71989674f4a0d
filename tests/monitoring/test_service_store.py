"""What the operator's process counts in Postgres, as a role that may see no session of another role."""

from contextlib import AsyncExitStack

import asyncpg

from app.admin import checkups
from app.monitoring import service_store


async def test_connections_of_other_roles_are_counted_without_the_right_to_see_what_they_do(
    environment: dict[str, str],
):
    async with AsyncExitStack() as stack:
        opened = [await asyncpg.connect(environment["DATABASE_URL"]) for _ in range(4)]
        for connection in opened:
            stack.push_async_callback(connection.close)
        await opened[0].execute("SET ROLE tq_admin")
        for query in (service_store._CONNECTIONS, checkups._CONNECTIONS):
            counted = await opened[0].fetchrow(query)
            assert counted is not None
            assert counted["used"] >= len(opened)
