"""Read a tenant's statistics as series of points. The API and the console show the same."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app.db import Database
from app.stats import histogram, store
from app.stats.buckets import Span, require_few_points
from app.stats.histogram import Histogram
from app.stats.schemas import Percentiles, Stats, StatsPoint, TaskStats, WaitTimes

_COUNTS: Final = ("submitted", "succeeded", "failed", "revoked", "retried")
_NOTHING: Final[Any] = dict.fromkeys(_COUNTS, 0) | {"times": ()}


async def read(
    reader: Database, tenant_id: UUID, span: Span, *, by_task: bool = False, task: str | None = None
) -> Stats:
    """Return the statistics of a time: of all task types together, of each (``by_task``), or of one (``task``).

    Raises ``InvalidRequest`` if there are too many points, and ``Unavailable``.
    """
    async with reader.transaction(tenant_id) as connection:
        rows = await store.series(connection, tenant_id, span, by_task=by_task, task=task)
    # In a thread: the percentiles of 1,500 points take some 50 ms, and other requests must not wait for them.
    return await asyncio.to_thread(_stats, rows, span, by_task, task)


async def read_any_tenant(reader: Database, span: Span) -> list[StatsPoint]:
    """Return what all tenants did in the hours of a time. Times and limits, which are a tenant's own, are left out."""
    async with reader.transaction() as connection:
        rows = {row["starts_at"]: dict(row) | {"times": ()} for row in await store.hours_any_tenant(connection, span)}
    return [_point(start, rows.get(start, _NOTHING), is_at_limit=False) for start in span.starts]


def _stats(rows: Iterable[Any], span: Span, by_task: bool, task: str | None) -> Stats:
    by_type: dict[str, dict[datetime, Any]] = defaultdict(dict)
    at_limit = set()
    for row in rows:
        by_type[row["task"]][row["starts_at"]] = row
        # Only the tenant's own row has the mark, and it counts for each task type.
        if row["is_at_limit"]:
            at_limit.add(row["starts_at"])
    # The tenant's own row is no task type; without by=task it is the sum of all.
    types = sorted(by_type.keys() - {""}) if by_task else [""]
    # Again, because only the rows tell how many task types there are.
    require_few_points(len(types) * span.count)
    items = [
        TaskStats(
            task=one or task,
            points=[_point(start, by_type[one].get(start, _NOTHING), start in at_limit) for start in span.starts],
        )
        for one in types
    ]
    return Stats(bucket=span.bucket, starts_at=span.starts_at, ends_at=span.ends_at, items=items)


def _point(start: datetime, row: Any, is_at_limit: bool) -> StatsPoint:
    times = histogram.read(row["times"])
    ended = row["succeeded"] + row["failed"]
    return StatsPoint(
        starts_at=start,
        **{name: row[name] for name in _COUNTS},
        error_rate=_rounded(row["failed"] / ended) if ended else None,
        limit_reached=is_at_limit,
        wait_seconds=WaitTimes(
            limit=_percentiles(times.wait_for_limit), platform=_percentiles(times.wait_for_platform)
        ),
        run_seconds=_percentiles(times.run),
    )


def _percentiles(times: Histogram) -> Percentiles:
    p50, p95, p99 = (_rounded(histogram.percentile(times, share)) for share in (0.5, 0.95, 0.99))
    return Percentiles(p50=p50, p95=p95, p99=p99)


def _rounded(value: float | None) -> float | None:
    """Return a number with three digits: an estimate has no more."""
    return None if value is None else float(f"{value:.3g}")
