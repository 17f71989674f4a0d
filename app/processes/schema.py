"""Make a process wait while its code does not fit the schema: others might misread the rows that it writes."""

import asyncio
import logging
from typing import Final

import asyncpg

from app.core import schema
from app.core.errors import Unavailable
from app.core.log_limiter import LogLimiter
from app.db import Database
from app.processes import store

_log = logging.getLogger(__name__)
_log_limiter = LogLimiter(_log)

# Seconds between two looks, while somebody runs the migration.
_INTERVAL: Final = 2.0


async def wait_until_it_fits(database: Database, stopping: asyncio.Event | None = None) -> None:
    """Return when the schema is right, Postgres cannot be reached, or ``stopping`` is set. Log why it waits."""
    stopping = stopping or asyncio.Event()
    while not stopping.is_set() and (fault := await _fault(database)):
        _log_limiter.log(logging.ERROR, "this process waits: it does not fit the schema", reason=fault)
        try:
            async with asyncio.timeout(_INTERVAL):
                await stopping.wait()
        except TimeoutError:
            continue


async def _fault(database: Database) -> str | None:
    try:
        async with database.statement() as connection:
            return schema.fault(await store.schema_version_any_tenant(connection))
    except (Unavailable, asyncpg.PostgresError):
        # Postgres cannot be reached. The work of the process will notice that, and has its own way to wait.
        return None
