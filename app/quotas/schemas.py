"""What the ledger is asked and answers, and the bodies of the calls on limits and usage."""

from datetime import date, datetime
from typing import Literal, NamedTuple, TypeAlias

from pydantic import BaseModel, Field

from app.tenants.plans import Plan

Quota: TypeAlias = Literal["day", "month", "backlog"]


class Demand(NamedTuple):
    """How many more tasks a tenant wants, and its limits; -1 is none. In the order of ``tasks_accept``."""

    tasks: int
    per_day: int
    per_month: int
    backlog: int


class Grant(NamedTuple):
    """How many of them it gets, which limit refuses the rest, and what is used with them. In that order too."""

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
    limit: int | None = Field(description="Null is no limit.")
    source: Literal["plan", "override"]
    used: int | None = Field(description="Now; null where nothing is counted.")


class LimitList(BaseModel):
    """Every limit that holds."""

    plan: Plan
    items: list[TenantLimit]
    next_cursor: None = None


class TaskUsage(BaseModel):
    """What one task type has used."""

    task: str
    tasks: int = Field(description="Accepted.")
    attempts: int = Field(description="Whose code has ended.")
    worker_seconds: float = Field(description="That these attempts took.")


class DayUsage(TaskUsage):
    """What one task type has used in a day (UTC)."""

    day: date


class PeriodUsage(BaseModel):
    """What is used of a quota's current period (UTC)."""

    starts_on: date
    ends_at: datetime
    tasks: int
    limit: int | None = Field(description="Null is no limit.")
    by_task: list[TaskUsage]


class UsageReport(BaseModel):
    """The current day and month, and each day that was asked for."""

    day: PeriodUsage
    month: PeriodUsage
    items: list[DayUsage]
    next_cursor: None = None
