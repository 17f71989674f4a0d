"""Report how many attempts of deliveries there were, how many failed, and how long they took."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from app.core.errors import InvalidRequest
from app.db import Database
from app.webhooks import durations, stat_store
from app.webhooks.history.metric_schemas import AttemptDurations, BucketLength, DeliveryMetric, DeliveryMetrics, Series

if TYPE_CHECKING:
    import asyncpg

KEPT: Final[Mapping[BucketLength, timedelta]] = {
    "minute": timedelta(hours=48), "hour": timedelta(days=35), "day": timedelta(days=400),
}  # fmt: skip
"""For how long buckets are kept (migrations/functions: prune_account), and the longest time that a call may ask for."""
_DEFAULT: Final[Mapping[BucketLength, timedelta]] = {
    "minute": timedelta(hours=1), "hour": timedelta(hours=24), "day": timedelta(days=30),
}  # fmt: skip


class DayOfDeliveries(NamedTuple):
    """The attempts of the last 24 hours that one endpoint got."""

    deliveries: int = 0
    attempts: int = 0
    failures: int = 0


async def last_day(
    reader: Database, tenant_id: UUID, endpoint_id: UUID | None = None
) -> Mapping[UUID | None, DayOfDeliveries]:
    """Return the last 24 hours by endpoint, or of one; those of the ``webhook_url`` of tasks are under None.

    Nothing is returned for a tenant with so much that it is not added up.
    """
    since = datetime.now(UTC) - _DEFAULT["hour"]
    async with reader.transaction(tenant_id) as connection:
        rows = await stat_store.totals(connection, tenant_id, since=since, endpoint_id=endpoint_id)
    return {
        row["endpoint_id"] if row["endpoint_id"].int else None: DayOfDeliveries(
            row["deliveries"], row["attempts"], row["failures"]
        )
        for row in rows or ()
    }


async def report(
    reader: Database,
    tenant_id: UUID,
    first: datetime | None,
    last: datetime | None,
    bucket: BucketLength,
    by: Series | None,
) -> DeliveryMetrics:
    """Return the attempts from ``first`` to ``last`` (None: see the parameters of the call), in buckets and series.

    Raises ``InvalidRequest`` for a time that is too long.
    """
    until = last or datetime.now(UTC)
    since = first or _before(until, _DEFAULT[bucket])
    if not timedelta() < until - since <= KEPT[bucket]:
        raise InvalidRequest(
            f"Let `from` be before `to`, by {KEPT[bucket] // timedelta(hours=1)} hours at most for this bucket."
        )
    async with reader.transaction(tenant_id) as connection:
        rows = await stat_store.sums(connection, tenant_id, since=since, until=until, bucket=bucket, by=by)
    if rows is None:
        raise InvalidRequest("There is too much to add up. Ask for a shorter time, or for longer buckets.")
    return DeliveryMetrics(bucket=bucket, items=[_metric(row, by) for row in rows])


def _before(until: datetime, length: timedelta) -> datetime:
    try:
        return until - length
    # A time near the first year. The check that follows refuses it.
    except OverflowError:
        return until


def _metric(row: "asyncpg.Record", by: Series | None) -> DeliveryMetric:
    attempts, failures, histogram = row["attempts"], row["failures"], row["histogram"]
    of_series: dict[str, Any] = {"endpoint_id": None, "type": None, "status": None}
    if by is not None:
        of_series["endpoint_id" if by == "endpoint" else by] = row["series"]
    # The series without an endpoint has the id 0, because a key has no null.
    if by == "endpoint" and UUID(row["series"]).int == 0:
        of_series["endpoint_id"] = None
    return DeliveryMetric(
        at=row["at"],
        **of_series,
        attempts=attempts,
        failures=failures,
        error_rate=round(failures / attempts, 4),
        first_attempts=row["first_attempts"],
        retries=attempts - row["first_attempts"],
        duration_ms=AttemptDurations(**{name: _percentile(histogram, share) for name, share in _SHARES.items()}),
    )


_SHARES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def _percentile(histogram: list[int], share: float) -> float:
    return round(durations.percentile(histogram, share) or 0.0, 1)
