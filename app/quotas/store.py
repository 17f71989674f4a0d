"""SQL of the ledger."""

from collections.abc import Mapping
from uuid import UUID

from app.db import Connection
from app.quotas.schemas import Demand, Grant, Period

_RESERVE = """
SELECT tenant_id, granted, refused_by, ends_in_seconds
FROM usage_reserve($1::uuid[], $2::int[], $3::bigint[], $4::bigint[])
"""
_USED = """
SELECT period, used FROM usage
WHERE tenant_id = $1 AND (
    (period = 'day' AND starts_on = (now() AT TIME ZONE 'UTC')::date)
    OR (period = 'month' AND starts_on = date_trunc('month', now() AT TIME ZONE 'UTC')::date))
"""


async def reserve_any_tenant(connection: Connection, demands: Mapping[UUID, Demand]) -> dict[UUID, Grant]:
    """Lock and count each tenant's day and month, in the order of the ids."""
    rows = await connection.fetch(
        _RESERVE,
        list(demands),
        [demand.count for demand in demands.values()],
        [demand.per_day for demand in demands.values()],
        [demand.per_month for demand in demands.values()],
    )
    return {row["tenant_id"]: Grant(row["granted"], row["refused_by"], row["ends_in_seconds"]) for row in rows}


async def used(connection: Connection, tenant_id: UUID) -> dict[Period, int]:
    """Return what is used in the current day and month."""
    counted: dict[Period, int] = {"day": 0, "month": 0}
    return counted | {row["period"]: row["used"] for row in await connection.fetch(_USED, tenant_id)}
