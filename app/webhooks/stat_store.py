"""SQL of the counts of delivery attempts. The statement that records an attempt counts it (deliveries_record.sql)."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from app.db import Connection
from app.webhooks import durations

if TYPE_CHECKING:
    import asyncpg

MAX_ROWS_READ: Final = 100_000
"""The most rows that one call adds up."""

_HISTOGRAM: Final = ", ".join(f"sum(histogram[{number}])" for number in range(1, durations.COUNT + 1))
_SERIES: Final[Mapping[str | None, str]] = {
    None: "NULL::text", "endpoint": "endpoint_id::text", "type": "event_type", "status": "status_class",
}  # fmt: skip


def _sums(series: str) -> str:
    return f"""
SELECT at, {series} AS series, sum(attempts) AS attempts, sum(first_attempts) AS first_attempts,
    coalesce(sum(attempts) FILTER (WHERE status_class <> '2xx'), 0) AS failures, ARRAY[{_HISTOGRAM}] AS histogram,
    sum(count(*)) OVER () AS rows_read
FROM (
    SELECT * FROM webhook_stat
    WHERE tenant_id = $1 AND bucket = $2 AND at >= date_trunc($2, $3::timestamptz, 'UTC') AND at < $4
    ORDER BY at LIMIT $5
) AS counted
GROUP BY 1, 2
"""  # noqa: S608 constants


_SUMS: Final = {name: _sums(series) for name, series in _SERIES.items()}


# Without the histograms and the times, which are most of the work of a chart.
_TOTALS: Final = """
SELECT endpoint_id, sum(first_attempts) AS deliveries, sum(attempts) AS attempts,
    coalesce(sum(attempts) FILTER (WHERE status_class <> '2xx'), 0) AS failures, sum(count(*)) OVER () AS rows_read
FROM (
    SELECT endpoint_id, first_attempts, attempts, status_class FROM webhook_stat
    WHERE tenant_id = $1 AND bucket = 'hour' AND at >= date_trunc('hour', $2::timestamptz, 'UTC')
        AND ($3::uuid IS NULL OR endpoint_id = $3)
    ORDER BY at LIMIT $4
) AS counted
GROUP BY endpoint_id
"""


async def totals(
    connection: Connection, tenant_id: UUID, *, since: datetime, endpoint_id: UUID | None = None
) -> "list[asyncpg.Record] | None":
    """Return the sums of each endpoint, or of one, since a time; None if more than ``MAX_ROWS_READ`` rows match."""
    rows = await connection.fetch(_TOTALS, tenant_id, since, endpoint_id, MAX_ROWS_READ + 1)
    return None if rows and rows[0]["rows_read"] > MAX_ROWS_READ else list(rows)


async def sums(
    connection: Connection, tenant_id: UUID, *, since: datetime, until: datetime, bucket: str, by: str | None
) -> "list[asyncpg.Record] | None":
    """Return the sums of each bucket and series, oldest first; None if more rows than ``MAX_ROWS_READ`` match."""
    # One row more than the bound shows that there are more, without counting them.
    rows = await connection.fetch(_SUMS[by], tenant_id, bucket, since, until, MAX_ROWS_READ + 1)
    if rows and rows[0]["rows_read"] > MAX_ROWS_READ:
        return None
    return sorted(rows, key=lambda row: (row["at"], row["series"] or ""))
