"""Read the ledger, which counts exactly: accepted tasks of a day and month, running and waiting tasks."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from app.core.errors import InvalidRequest
from app.db import Connection, Database
from app.quotas import store
from app.quotas.schemas import (
    DayUsage,
    Demand,
    Grant,
    LimitList,
    PeriodUsage,
    QueueState,
    Quota,
    TaskUsage,
    TenantLimit,
    UsageReport,
)
from app.tenants import plans
from app.tenants.plans import Limits, Plan

_MAX_RANGE: Final = timedelta(days=366)


def demand(contract: Limits, count: int) -> Demand:
    """Return the demand of a tenant for ``count`` more tasks."""
    return Demand(count, contract.tasks_per_day, contract.tasks_per_month, contract.backlog)


async def standing(connection: Connection, tenant_id: UUID) -> Grant:
    """Return the current ledger of a tenant, in the form of a grant of no task."""
    periods = await store.periods(connection, tenant_id)
    counts = await store.running_and_waiting(connection, tenant_id)
    waiting = counts["waiting"] if counts else 0
    return Grant(
        0, None, periods["day_used"], periods["month_used"], waiting, periods["day_ends_in"], periods["month_ends_in"]
    )


def granted(ledger: Grant, wanted: Demand, count: int) -> Grant:
    """Return a grant whose answer was lost: ``count`` of its tasks are stored, ``ledger`` is the current standing."""
    # The month comes first: it is the limit that lasts longer.
    used = {"month": ledger.month_used, "day": ledger.day_used}
    limits: dict[Quota, int] = {"month": wanted.month_limit, "day": wanted.day_limit}
    # The refusing limit was lost too. If no period is used up, it was the backlog, which may have drained since.
    # A limit of -1 is unlimited, and is never reached.
    reached: Quota = next((name for name, limit in limits.items() if 0 <= limit <= used[name]), "backlog")
    return ledger._replace(granted=count, refused_by=reached if count < wanted.asked else None)


async def limits(reader: Database, tenant_id: UUID, plan: Plan, overrides: Mapping[str, int]) -> LimitList:
    """Return every limit with its source and its current use."""
    async with reader.transaction(tenant_id) as connection:
        used = await standing_of(connection, tenant_id)
        pauses = await store.queue_pauses(connection, tenant_id)
    return LimitList(
        plan=plan,
        queue=queue_state(by_tenant=pauses.by_tenant, by_operator=pauses.by_operator),
        items=[
            TenantLimit(
                name=name,
                limit=_or_none(limit),
                source="override" if name in overrides else "plan",
                used=used.get(name),
            )
            for name, limit in asdict(plans.effective(plan, overrides)).items()
        ],
    )


async def standing_of(connection: Connection, tenant_id: UUID) -> dict[str, int]:
    """Return what a tenant uses now of the limits that are counted, by the name of the limit."""
    periods = await store.periods(connection, tenant_id)
    counts = await store.running_and_waiting(connection, tenant_id)
    return {
        "tasks_per_day": periods["day_used"],
        "tasks_per_month": periods["month_used"],
        "running": counts["running"] if counts else 0,
        "backlog": counts["waiting"] if counts else 0,
    }


def queue_state(*, by_tenant: bool, by_operator: bool) -> QueueState:
    """Return the state of a queue that the tenant, the operator or both have paused."""
    paused_by: list[Literal["tenant", "operator"]] = []
    if by_tenant:
        paused_by.append("tenant")
    if by_operator:
        paused_by.append("operator")
    return QueueState(paused=bool(paused_by), paused_by=paused_by)


async def report(
    reader: Database, tenant_id: UUID, contract: Limits, first: date | None, last: date | None
) -> UsageReport:
    """Return the usage of the current periods, and of the days from ``first`` to ``last``.

    Without them the days are those from the first of this month to today. Raises ``InvalidRequest`` for a range that
    ends before it begins or is longer than 366 days.
    """
    async with reader.transaction(tenant_id) as connection:
        rows = await store.report(connection, tenant_id, first, last)
    periods = rows[0]
    first, last = _range(periods, first, last)
    used = [DayUsage(**{name: row[name] for name in DayUsage.model_fields}) for row in rows if row["day"] is not None]
    month = [row for row in used if periods["month"] <= row.day <= periods["today"]]
    today = [row for row in month if row.day == periods["today"]]
    return UsageReport(
        day=_period(periods["today"], periods["tomorrow"], periods["day_used"], contract.tasks_per_day, today),
        month=_period(periods["month"], periods["next_month"], periods["month_used"], contract.tasks_per_month, month),
        items=[row for row in used if first <= row.day <= last],
    )


def _range(periods: Any, first: date | None, last: date | None) -> tuple[date, date]:
    last = last or periods["today"]
    # The first of this month is later than ``last`` when only an earlier ``last`` is given.
    first = first or min(periods["month"], last)
    if not timedelta(0) <= last - first <= _MAX_RANGE:
        raise InvalidRequest(
            "Send days as from and to. from must not be after to, and they may be at most 366 days apart."
        )
    return first, last


def _period(starts_on: date, ends_on: date, tasks: int, limit: int, rows: Iterable[DayUsage]) -> PeriodUsage:
    by_task: dict[str, TaskUsage] = {}
    for row in rows:
        total = by_task.setdefault(row.task, TaskUsage(task=row.task, tasks=0, attempts=0, worker_seconds=0))
        total.tasks += row.tasks
        total.attempts += row.attempts
        total.worker_seconds += row.worker_seconds
    return PeriodUsage(
        starts_on=starts_on,
        ends_at=datetime.combine(ends_on, time(), UTC),
        tasks=tasks,
        limit=_or_none(limit),
        by_task=list(by_task.values()),
    )


def _or_none(limit: int) -> int | None:
    return None if limit == plans.UNLIMITED else limit


async def used(connection: Connection, tenant_id: UUID) -> tuple[int, int]:
    """Return the tasks of the current day and month (UTC)."""
    periods = await store.periods(connection, tenant_id)
    return periods["day_used"], periods["month_used"]
