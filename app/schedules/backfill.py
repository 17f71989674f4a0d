"""Find the past times of a schedule that made no task, to make them up."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from app.core.errors import InvalidRequest, NotFound
from app.db import Connection
from app.schedules import store
from app.schedules.timing import timing_of

MAX_FIRES: Final = 1_000
"""Times that one backfill covers, at most."""
_MOMENT: Final = timedelta(microseconds=1)


class Plan(NamedTuple):
    """The times that a backfill would make up."""

    first: datetime
    last: datetime
    fires: Sequence[datetime]
    """The times without a task, the oldest first."""


async def plan(connection: Connection, tenant_id: UUID, schedule_id: UUID, first: datetime, last: datetime) -> Plan:
    """Return the times from ``first`` to ``last`` that made no task. Raises ``NotFound`` and ``InvalidRequest``.

    Times of the future, and those that the clock will still decide, are left out.
    """
    row = await store.find(connection, tenant_id, schedule_id)
    if row is None:
        raise NotFound(store.UNKNOWN)
    last = min([last, await connection.fetchval("SELECT now()"), *_before_next(row)])
    times = await missing(connection, tenant_id, row, first, last, limit=MAX_FIRES + 1)
    if len(times.read) > MAX_FIRES:
        raise InvalidRequest(f"A backfill covers {MAX_FIRES} times at most. Ask for a shorter time.")
    return Plan(first, last, times.fires)


def _before_next(row: asyncpg.Record) -> list[datetime]:
    return [] if row["next_fire_at"] is None else [row["next_fire_at"] - _MOMENT]


class Missing(NamedTuple):
    """Times of a schedule."""

    read: Sequence[datetime]
    fires: Sequence[datetime]
    """Those without a task."""


async def missing(
    connection: Connection, tenant_id: UUID, row: asyncpg.Record, first: datetime, last: datetime, *, limit: int
) -> Missing:
    """Return the first ``limit`` times of a schedule from ``first`` to ``last``, and those of them without a task."""
    timing = timing_of(row, row["schedule_id"], row["created_at"])
    read = list(islice(timing.between(first, last), limit))
    fired = await store.fired(connection, tenant_id, row["schedule_id"], read[0], read[-1]) if read else set()
    return Missing(read, [moment for moment in read if moment not in fired])
