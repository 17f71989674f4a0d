"""Create the partitions of task, attempt, result (monthly) and event (daily) in advance, and move early rows into them.

``scripts/admin migrate``, the api and the dispatcher do this when they start. A row whose partition is missing is
stored in a DEFAULT partition and is served like any other row. The next run moves it (``partition_step``).
"""

import asyncio
import logging
from typing import Final
from uuid import UUID

import asyncpg

from app.core import duty
from app.db import Connection, connect, role_url
from app.tasks import sweep_store

_log = logging.getLogger(__name__)

AHEAD: Final = {"month": 1, "day": 7}
"""Partitions to create after the current one, by the unit of the table."""
INTERVAL: Final = 3600.0
"""Seconds between two runs."""
# Partitions of each table in one run, so that a wrong clock cannot keep it busy without end.
_MAX_STEPS: Final = 200
# Seconds before the next attempt at a table that others have locked.
_BUSY_PAUSE: Final = 0.25
_BUSY_ATTEMPTS: Final = 5


async def keep_any_tenant(connection: Connection, fence: UUID | None = None, *, attempts: int = _BUSY_ATTEMPTS) -> int:
    """Create the missing partitions and empty the DEFAULT ones. Return the number of rows that were moved.

    Each partition is one transaction, which locks only its table. If others have locked the table, there are up to
    ``attempts`` attempts. After an error the other tables still follow, and the first error is raised at the end.
    ``fence`` is the token of a dispatcher's lease; None if the caller is not the dispatcher.
    """
    moved, failed = 0, None
    for table, unit in await sweep_store.partitioned_tables_any_tenant(connection):
        try:
            moved += await _keep(connection, table, AHEAD[unit], fence, attempts=attempts)
        except asyncpg.PostgresError as error:
            # One table that is locked must not leave the others without their next partition.
            failed = failed or error
    if failed is not None:
        raise failed
    return moved


async def _keep(connection: Connection, table: str, ahead: int, fence: UUID | None, *, attempts: int) -> int:
    moved = 0
    for _ in range(_MAX_STEPS):
        step = await _step(connection, table, ahead, fence, attempts=attempts)
        if step is None:
            break
        period, rows = step
        moved += rows
        level = logging.WARNING if rows else logging.INFO
        # A warning, because such rows are unusual: a clock is wrong, the stack was off, or a backup is old.
        _log.log(level, "a partition was made", extra={"table": table, "period": period, "rows_moved": rows})
    return moved


async def _step(
    connection: Connection, table: str, ahead: int, fence: UUID | None, *, attempts: int
) -> tuple[str, int] | None:
    for left in reversed(range(attempts)):
        try:
            return await sweep_store.partition_step_any_tenant(connection, table, ahead, fence)
        except asyncpg.LockNotAvailableError:
            if not left:
                raise
            await asyncio.sleep(_BUSY_PAUSE)
    return None


async def keep_as_submitter() -> None:
    """Create missing partitions at the start of an api process and then each hour, until cancelled.

    The api does this too, because a dispatcher may not be running.
    """
    keeping = duty.Duty("partitions", INTERVAL)
    while True:
        await keeping.run(_keep_once)
        await asyncio.sleep(keeping.seconds_left)


async def _keep_once() -> None:
    connection = await connect(role_url("tq_submit"))
    try:
        await keep_any_tenant(connection)
    finally:
        await connection.close(timeout=2)
