"""Find out for how long ended tasks and events are kept."""

from datetime import timedelta
from uuid import UUID

from app.db import Connection
from app.tenants import plans, store


async def by_tenant(connection: Connection) -> dict[UUID, timedelta]:
    """Return the time for which each tenant's ended tasks are kept."""
    contracts = await store.contracts_any_tenant(connection)
    return {
        tenant_id: timedelta(days=plans.effective(plan, limits).retention_days) for tenant_id, plan, limits in contracts
    }


async def longest_event_log_any_tenant(connection: Connection) -> timedelta:
    """Return the longest time for which some tenant's events are kept: days of events are shared by all tenants.

    A tenant may change its plan, so it is never less than the longest of all plans.
    """
    contracts = await store.contracts_any_tenant(connection)
    hours = (plans.effective(plan, limits).event_hours for _, plan, limits in contracts)
    return timedelta(hours=max([plans.MAX_EVENT_HOURS, *hours]))
