"""The pause that a tenant makes of its own queue. The operator's pause is another one (``tenancy.pause_queue``).

Tasks start while neither of the two is there, and each side can end only its own. Each change is audited.
"""

from dataclasses import replace
from uuid import UUID

from app.audit import log as audit
from app.audit.log import Actor
from app.core.errors import LimitReached
from app.db import Connection
from app.tenants import store, tenancy
from app.tenants.store import TenantRecord


async def pause(connection: Connection, actor: Actor, tenant_id: UUID) -> TenantRecord:
    """Start none of the tenant's tasks until it resumes. Running tasks go on. A second call changes nothing.

    Raises ``LimitReached`` if the tenant has made too many changes today.
    """
    return await _set(connection, actor, tenant_id, is_paused=True)


async def resume(connection: Connection, actor: Actor, tenant_id: UUID) -> TenantRecord:
    """End the tenant's own pause; a pause of the operator stays. A second call changes nothing."""
    return await _set(connection, actor, tenant_id, is_paused=False)


async def _set(connection: Connection, actor: Actor, tenant_id: UUID, *, is_paused: bool) -> TenantRecord:
    # The lock makes two concurrent changes run one after the other, so each one that counts is audited once.
    tenant = await tenancy.lock(connection, tenant_id)
    if tenant.queue_paused_by_tenant is is_paused:
        return tenant
    # Only a pause is refused, so that the audit log stays bounded and a tenant can always let its tasks run again.
    if is_paused and await audit.is_day_full(connection, tenant_id):
        raise LimitReached(
            f"A tenant may make {audit.MAX_EVENTS_PER_DAY} audited changes in 24 hours. Pause the queue again later."
        )
    await store.set_queue_paused_by_tenant(connection, tenant_id, is_paused=is_paused)
    await audit.record(connection, tenant_id, actor, "queue.paused" if is_paused else "queue.resumed", tenant.slug)
    return replace(tenant, queue_paused_by_tenant=is_paused)
