"""The months of task, attempt and result: there before they are needed, and where a row came first, it moves into them.

Whoever starts makes them: ``scripts/admin migrate``, the api and the dispatcher. A row whose month is missing lies in a
DEFAULT partition, from where it is served like any other; the next of these moves it (``partition_step``).
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

MONTHS_AHEAD: Final = 1
INTERVAL: Final = 3600.0
_MAX_STEPS: Final = 200
_BUSY_PAUSE: Final = 0.25
_BUSY_ATTEMPTS: Final = 5


async def keep_any_tenant(connection: Connection, fence: UUID | None = None, *, attempts: int = _BUSY_ATTEMPTS) -> int:
    """Make the months that are missing and empty the DEFAULT partitions; return how many rows were moved.

    Each month of each table is a transaction of its own, with locks of that table alone; one that is locked by others
    is tried ``attempts`` times. One table's failure keeps no other from it: the first is raised at the end. ``fence``
    is the token of a dispatcher's lease.
    """
    moved, failed = 0, None
    for table in await sweep_store.partitioned_tables_any_tenant(connection):
        try:
            moved += await _keep(connection, table, fence, attempts)
        except asyncpg.PostgresError as error:
            failed = failed or error
    if failed is not None:
        raise failed
    return moved


async def _keep(connection: Connection, table: str, fence: UUID | None, attempts: int) -> int:
    moved = 0
    for _ in range(_MAX_STEPS):
        step = await _step(connection, table, fence, attempts)
        if step is None:
            break
        month, rows = step
        moved += rows
        level = logging.WARNING if rows else logging.INFO
        # Rows that came before their month: a clock that is ahead, a stack that was off, an old backup.
        _log.log(level, "a month was made", extra={"table": table, "month": month, "rows_moved": rows})
    return moved


async def _step(connection: Connection, table: str, fence: UUID | None, attempts: int) -> tuple[str, int] | None:
    for left in reversed(range(attempts)):
        try:
            return await sweep_store.partition_step_any_tenant(connection, table, MONTHS_AHEAD, fence)
        except asyncpg.LockNotAvailableError:
            if not left:
                raise
            await asyncio.sleep(_BUSY_PAUSE)
    return None


async def keep_as_submitter() -> None:
    """Keep the months for as long as an api runs: at its start, then each hour. There may be no dispatcher."""
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
