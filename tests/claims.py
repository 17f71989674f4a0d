"""Claims of one tenant's tasks, as a worker makes them for several tenants at once."""

from uuid import UUID

from app.db import Database
from app.tasks.run.attempts import Claim
from app.tasks.run.claim import claim_each


async def claim_for(worker: Database, tenant_id: UUID, *, pool: str, worker_id: UUID, limit: int = 1) -> list[Claim]:
    """Take up to ``limit`` of the tenant's due tasks."""
    return await claim_each(worker, {tenant_id: limit}, pool=pool, worker_id=worker_id)
