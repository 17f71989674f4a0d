"""How long what has ended is kept."""

from datetime import timedelta
from uuid import UUID

from app.db import Connection
from app.tenants import contract_store, plans


async def by_tenant(connection: Connection) -> dict[UUID, timedelta]:
    """Return for each tenant how long its ended tasks are kept."""
    contracts = await contract_store.contracts_any_tenant(connection)
    return {
        tenant_id: timedelta(days=plans.effective(plan, limits).retention_days) for tenant_id, plan, limits in contracts
    }
