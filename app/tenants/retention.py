"""Find out for how long each tenant's ended tasks are kept."""

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
