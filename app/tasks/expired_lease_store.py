"""SQL of the dispatcher over the leases of tenants' own workers that have expired, of all tenants.

Statements take ``fence``, the token of the dispatcher's lease: they change nothing if another dispatcher leads.
"""

from dataclasses import dataclass
from uuid import UUID

from app.db import Connection
from app.tasks.sweep_store import Lost

# Marks them first: a heartbeat does not renew a marked lease. So none is taken away after a heartbeat has renewed it.
_EXPIRED_LEASES = """
WITH found AS MATERIALIZED (
    SELECT l.tenant_id, l.task_id, l.claim_token FROM lease l WHERE l.expires_at <= now() ORDER BY l.expires_at LIMIT $1
), marked AS (
    UPDATE lease l SET lost_at = coalesce(l.lost_at, now()) FROM found f
    WHERE (l.tenant_id, l.task_id) >= (f.tenant_id, f.task_id) AND (l.tenant_id, l.task_id) <= (f.tenant_id, f.task_id)
      AND l.claim_token = f.claim_token AND l.expires_at <= now() AND (SELECT dispatcher_leads($2))
    RETURNING l.tenant_id, l.task_id, l.claim_token, l.task, l.confirmed_at IS NOT NULL AS is_confirmed
)
SELECT m.tenant_id, m.task_id, m.claim_token, 'remote:' || m.task AS pool, m.is_confirmed, n.times_lost,
    CASE WHEN m.is_confirmed THEN 'lease expired' ELSE 'lease not confirmed' END AS reason
FROM marked m
CROSS JOIN LATERAL (
    SELECT count(*) AS times_lost FROM attempt b
    WHERE b.tenant_id = m.tenant_id AND b.task_id = m.task_id AND b.status = 'LOST'
) AS n
"""
_FORGET_LEASE = """
DELETE FROM lease WHERE tenant_id = $1 AND task_id = $2 AND claim_token = $3 AND (SELECT dispatcher_leads($4))
"""
_PROLONG_LEASES = """
UPDATE lease SET expires_at = now() + make_interval(secs => lease_seconds)
WHERE lost_at IS NULL AND confirmed_at IS NOT NULL AND expires_at < now() + make_interval(secs => lease_seconds)
  AND (SELECT dispatcher_leads($1))
"""


@dataclass(frozen=True, slots=True)
class ExpiredLease(Lost):
    """A lease of a tenant's own worker that has expired."""

    is_confirmed: bool
    """False if no call of the worker has named it: then its answer may never have arrived."""


async def expired_leases_any_tenant(connection: Connection, limit: int, fence: UUID) -> list[ExpiredLease]:
    """Mark up to ``limit`` expired leases as lost, and return them, also those that were marked before."""
    rows = await connection.fetch(_EXPIRED_LEASES, limit, fence)
    return [ExpiredLease(**dict(row)) for row in rows]


async def forget_lease(connection: Connection, tenant_id: UUID, lease: ExpiredLease, fence: UUID) -> None:
    """Delete the row of an expired lease, whose attempt has ended."""
    await connection.execute(_FORGET_LEASE, tenant_id, lease.task_id, lease.claim_token, fence)


async def prolong_leases_any_tenant(connection: Connection, fence: UUID) -> None:
    """Let every confirmed lease last from now, after a time in which heartbeats could not be written."""
    await connection.execute(_PROLONG_LEASES, fence)
