"""SQL of acts on many deliveries of one tenant: select them page by page, send them again, and make missing ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from app.core import ids
from app.db import Connection, call

if TYPE_CHECKING:
    import asyncpg


@dataclass(frozen=True, slots=True)
class DeliverySelection:
    """The conditions that a selected delivery must meet; None means any value.

    ``asked_at`` makes them a snapshot: a delivery that has ended since then, or was sent again, no longer matches.
    """

    statuses: Sequence[str]
    asked_at: datetime
    """The database's time of the request."""
    endpoint_id: UUID | None = None
    types: Sequence[str] | None = None
    task_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    """``since`` and ``until`` are about the time of the event, which the id of a delivery contains."""
    delivery_ids: Sequence[UUID] | None = None

    def bounds(self, after: UUID) -> tuple[UUID, UUID]:
        """Return the ids between which deliveries may match, without the first. Those up to ``after`` were visited."""
        first = ids.FIRST if self.since is None else _before(self.since)
        # An event that had a delivery at that time has happened before it. A minute, because clocks may be set.
        last = _before(self.asked_at + timedelta(minutes=1))
        return max(first, after), last if self.until is None else min(last, _before(self.until))


def _before(moment: datetime) -> UUID:
    """Return the last id of an earlier time."""
    return UUID(int=max(ids.first_id_at(moment.timestamp()).int - 1, 0))


class SelectedRow(NamedTuple):
    """A row that was read: where the next page begins after it, and whether it meets the conditions."""

    id: UUID
    matches: bool


# Pages are read in the order of an index. With a sort allowed, a plan may read everything that the tenant has and sort
# it (docs/decisions/0010-plans-whatever-statistics-know.md).
_IN_ORDER: Final = "SELECT set_config('enable_sort', 'off', true)"

# $5 to $9: the conditions of a ``DeliverySelection``; null means any value.
_MATCHES: Final = """d.status = ANY($5::text[]) AND d.finished_at <= $6::timestamptz
    AND ($7::text[] IS NULL OR d.event_type = ANY($7)) AND ($8::uuid IS NULL OR d.endpoint_id = $8)
    AND ($9::uuid IS NULL OR d.task_id = $9)"""

# $1: the tenant; $2, $3: ids between which the page lies; $4: how many deliveries it has at most.
_OF_TENANT: Final = f"""
SELECT d.id, ({_MATCHES}) IS TRUE AS matches FROM delivery d
WHERE d.tenant_id = $1 AND d.id > $2 AND d.id <= $3
ORDER BY d.id LIMIT $4
"""  # noqa: S608 a constant

# IS TRUE hides the tenant, so that only the index of endpoints has them in this order.
_OF_ENDPOINT: Final = f"""
SELECT d.id, ({_MATCHES}) IS TRUE AS matches FROM delivery d
WHERE d.endpoint_id = $8 AND d.id > $2 AND d.id <= $3 AND (d.tenant_id = $1) IS TRUE
ORDER BY d.id LIMIT $4
"""  # noqa: S608 a constant

# IS TRUE hides the conditions, so that only the index of tasks can answer: a task has few deliveries.
_OF_TASK: Final = f"""
SELECT d.id, ({_MATCHES}) IS TRUE AS matches FROM delivery d
WHERE d.task_id = $9 AND (d.tenant_id = $1 AND d.id > $2 AND d.id <= $3) IS TRUE
ORDER BY d.id LIMIT $4
"""  # noqa: S608 a constant

# $10: the ids that were named, in their order.
_NAMED: Final = f"""
SELECT d.id, ({_MATCHES}) IS TRUE AS matches
FROM unnest($10::uuid[]) AS u (id) CROSS JOIN LATERAL (
    SELECT w.id, w.status, w.finished_at, w.event_type, w.endpoint_id, w.task_id FROM delivery w
    WHERE w.tenant_id = $1 AND w.id = u.id LIMIT 1
) AS d
WHERE u.id > $2 AND u.id <= $3
LIMIT $4
"""  # noqa: S608 a constant

_CALL_MISSING: Final = call("events_missing", "tenant", "endpoint", "after", "since", "asked_at", "limit")
_MISSING: Final = f"SELECT seq, is_missing FROM {_CALL_MISSING}"  # noqa: S608 a constant of names
_CALL_REPLAY: Final = call("events_replay", "tenant", "endpoint", "seqs", "since")
_REPLAY: Final = f"SELECT seq, outcome FROM {_CALL_REPLAY}"  # noqa: S608 a constant of names


async def ended(
    connection: Connection, tenant_id: UUID, wanted: DeliverySelection, *, after: UUID, limit: int
) -> list[SelectedRow]:
    """Return the next page of deliveries, in the order of their ids; ``limit`` is the most that are read."""
    await connection.execute(_IN_ORDER)
    conditions = wanted.statuses, wanted.asked_at, wanted.types, wanted.endpoint_id, wanted.task_id
    values = tenant_id, *wanted.bounds(after), limit, *conditions
    if wanted.delivery_ids is not None:
        rows = await connection.fetch(_NAMED, *values, sorted(wanted.delivery_ids))
    else:
        rows = await connection.fetch(_statement(wanted), *values)
    return [SelectedRow(row["id"], row["matches"]) for row in rows]


def _statement(wanted: DeliverySelection) -> str:
    if wanted.task_id is not None:
        return _OF_TASK
    return _OF_TENANT if wanted.endpoint_id is None else _OF_ENDPOINT


async def missing(
    connection: Connection,
    tenant_id: UUID,
    endpoint_id: UUID,
    *,
    after: int,
    since: datetime,
    asked_at: datetime,
    limit: int,
) -> "list[asyncpg.Record]":
    """Return the next events after a number, and whether the endpoint has missed each (events_missing)."""
    return list(await connection.fetch(_MISSING, tenant_id, endpoint_id, after, since, asked_at, limit))


async def replay(
    connection: Connection, tenant_id: UUID, endpoint_id: UUID, numbers: Sequence[int], *, since: datetime
) -> dict[int, str]:
    """Send events that the endpoint has missed; return the outcome by the event's number (events_replay)."""
    rows = await connection.fetch(_REPLAY, tenant_id, endpoint_id, numbers, since)
    return {row["seq"]: row["outcome"] for row in rows}


async def is_enabled(connection: Connection, tenant_id: UUID, endpoint_id: UUID) -> bool | None:
    """Return whether an endpoint is enabled; None if there is none."""
    enabled: bool | None = await connection.fetchval(
        "SELECT enabled FROM endpoint WHERE tenant_id = $1 AND id = $2", tenant_id, endpoint_id
    )
    return enabled
