"""The first page: is it healthy, why not, and what to do."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, cast

from starlette.responses import Response

from app.console import charts, reading, verdict
from app.console.verdict import Facts
from app.console.visit import Visit
from app.identity.scopes import TASKS_WRITE, USAGE_READ
from app.quotas import usage
from app.quotas.schemas import LimitList, UsageReport
from app.stats import buckets, series
from app.stats.buckets import Bucket
from app.stats.schemas import StatsPoint
from app.task_errors.schemas import KnownError
from app.tasks import queue_calls
from app.tasks.list_schemas import TaskSummary
from app.tasks.read.task_filter import TaskFilter
from app.tasks.status import Status
from app.tenants.plans import Plan

_RECENT: Final = timedelta(hours=24)
_DAYS: Final = 14
_ERRORS: Final = 5


class _OverviewData(NamedTuple):
    """The data of the page."""

    limits: LimitList
    report: UsageReport
    latest: list[TaskSummary]
    errors: list[KnownError]
    """The latest ones of the last 24 hours."""
    hours: list[StatsPoint]
    day: StatsPoint
    """Today (UTC), in one point."""


async def show(visit: Visit) -> Response:
    """Show the verdict with its causes, what is used of the limits, and the latest tasks."""
    standing = await _standing(visit)
    reason = await _reason_to_wait(visit, standing)
    facts = Facts(
        used={item.name: item.used for item in standing.limits.items},
        limits={item.name: item.limit for item in standing.limits.items},
        paused_by=standing.limits.queue.paused_by,
        failed=sum(point.failed for point in standing.hours),
        succeeded=sum(point.succeeded for point in standing.hours),
        waiting_reason=reason,
        now=datetime.now(UTC),
    )
    found = verdict.judge(facts, may_write=visit.may(TASKS_WRITE))
    return visit.page(
        "overview.html",
        verdict=found,
        facts=facts,
        limits=standing.limits,
        report=standing.report,
        hours=charts.columns(standing.hours),
        day=standing.day,
        latest=standing.latest,
        errors=standing.errors,
        unfinished=reading.unfinished(standing.latest),
    )


async def _standing(visit: Visit) -> _OverviewData:
    principal, now = visit.principal, datetime.now(UTC)
    visit.require(USAGE_READ)
    limits, report, latest, errors, hours, day = await asyncio.gather(
        usage.limits(visit.parts.reader, visit.tenant_id, cast("Plan", principal.plan), principal.overrides),
        usage.report(
            visit.parts.reader, visit.tenant_id, visit.limits, (now - timedelta(days=_DAYS - 1)).date(), now.date()
        ),
        reading.newest(visit, TaskFilter(), 8),
        reading.errors(visit, "unresolved", _ERRORS),
        _stats(visit, Bucket.HOUR, now),
        _stats(visit, Bucket.DAY, now),
    )
    recent = [error for error in errors.items if error.last_seen > now - _RECENT]
    return _OverviewData(limits, report, latest, recent, hours, day[-1])


async def _stats(visit: Visit, bucket: Bucket, now: datetime) -> list[StatsPoint]:
    """Return the statistics of the buckets that the last 24 hours touch, all task types together."""
    asked = buckets.span(bucket, now - _RECENT, now, now)
    found = await series.read(visit.parts.reader, visit.tenant_id, asked, by_task=False, task=None)
    return found.items[0].points


async def _reason_to_wait(visit: Visit, standing: _OverviewData) -> str | None:
    """Return why a task waits although none runs; None if that needs no answer."""
    used: dict[str, Any] = {item.name: item.used for item in standing.limits.items}
    # While tasks run, waiting for them needs no explanation, and the answer costs two reads.
    if used["running"] or not used["backlog"]:
        return None
    waiting = await reading.newest(visit, TaskFilter(statuses=[Status.PENDING, Status.RETRY]), 1)
    if not waiting:
        return None
    detail = await visit.parts.reading.detail(visit.tenant_id, waiting[0].task_id)
    return detail.task.waiting_reason


async def pause(visit: Visit) -> Response:
    """Pause the tenant's queue."""
    await visit.form()
    await queue_calls.pause_queue(visit.request, visit.principal, visit.parts)
    return visit.go("")


async def resume(visit: Visit) -> Response:
    """End the tenant's own pause."""
    await visit.form()
    await queue_calls.resume_queue(visit.request, visit.principal, visit.parts)
    return visit.go("")
