"""Define the ledger's demand and grant, and the response bodies of the calls for limits and usage."""

from datetime import date, datetime
from typing import Literal, NamedTuple, TypeAlias

from pydantic import BaseModel, Field

from app.tenants.plans import Plan

Quota: TypeAlias = Literal["day", "month", "backlog"]


class Demand(NamedTuple):
    """The number of tasks that a tenant wants, with its limits; -1 is no limit. SQL: parameters of ``tasks_accept``."""

    asked: int
    day_limit: int
    month_limit: int
    backlog_limit: int


class Grant(NamedTuple):
    """The number of tasks that the ledger grants, the limit that refuses the rest, and the usage after it."""

    granted: int
    refused_by: Quota | None
    day_used: int
    month_used: int
    waiting: int
    """Tasks in the backlog."""
    day_ends_in: int
    """Seconds, by the database's clock."""
    month_ends_in: int


class TenantLimit(BaseModel):
    """One limit of the tenant."""

    name: str
    limit: int | None = Field(description="Null means no limit.")
    source: Literal["plan", "override"]
    used: int | None = Field(description="Current use. Null when nothing is counted.")


class QueueState(BaseModel):
    """The pauses of the tenant's queue. Its tasks start while `paused_by` is empty."""

    paused: bool
    paused_by: list[Literal["tenant", "operator"]] = Field(
        description="Whose pause there is. Each side can end only its own."
    )


class LimitList(BaseModel):
    """All limits of the tenant."""

    plan: Plan
    queue: QueueState
    items: list[TenantLimit]
    next_cursor: None = None


class TaskUsage(BaseModel):
    """The usage of one task type."""

    task: str
    tasks: int = Field(description="Accepted tasks.")
    attempts: int = Field(description="Attempts whose code has ended.")
    worker_seconds: float = Field(description="Seconds that these attempts took.")


class DayUsage(TaskUsage):
    """The usage of one task type in a day (UTC)."""

    day: date


class PeriodUsage(BaseModel):
    """The usage of a quota in its current period (UTC)."""

    starts_on: date
    ends_at: datetime
    tasks: int
    limit: int | None = Field(description="Null means no limit.")
    by_task: list[TaskUsage]


class UsageReport(BaseModel):
    """The usage of the current day and month, and of each requested day."""

    day: PeriodUsage
    month: PeriodUsage
    items: list[DayUsage]
    next_cursor: None = None
