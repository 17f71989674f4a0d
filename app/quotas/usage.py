"""The ledger: how many tasks a tenant has had accepted in its day and month, exact by its own transaction."""

from collections.abc import Mapping
from uuid import UUID

from app.core.errors import DailyQuotaExceeded, MonthlyQuotaExceeded, Problem
from app.db import Connection
from app.quotas import store
from app.quotas.schemas import Demand, Grant, Period


async def reserve(connection: Connection, demands: Mapping[UUID, Demand]) -> dict[UUID, Grant]:
    """Count what is granted in the caller's transaction, for each tenant."""
    return await store.reserve_any_tenant(connection, demands)


async def periods(connection: Connection, tenant_id: UUID) -> dict[Period, int]:
    """Return what the tenant has used in its current day and month (UTC)."""
    return await store.used(connection, tenant_id)


def refusal(grant: Grant) -> Problem:
    """Return the error for a task that the grant does not cover; it says when to try again."""
    headers = {"Retry-After": str(grant.ends_in_seconds)}
    if grant.refused_by == "day":
        return DailyQuotaExceeded(
            "Today's tasks are used up. Wait for the next day (UTC), or ask for a larger plan.", headers=headers
        )
    return MonthlyQuotaExceeded(
        "This month's tasks are used up. Wait for the next month (UTC), or ask for a larger plan.", headers=headers
    )
