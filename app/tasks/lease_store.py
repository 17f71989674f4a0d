"""SQL of leases: the running attempts of tenants' own workers, and what is known of these workers."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol
from uuid import UUID

from app.db import Connection, call
from app.tasks.run import timing

if TYPE_CHECKING:
    import asyncpg

REMOTE_WORKER: Final = UUID(int=0)
"""The ``worker_id`` of all attempts of tenants' own workers. They have leases instead of a heartbeat."""
MAX_WORKERS: Final = 1_000
"""Workers of one tenant that are remembered: those seen last."""

_CALL_LEASE: Final = call(
    "tasks_lease", "tenant", "types", "seconds", "limit", "name", "delivery", "worker", "key", "dead_after",
    "deadline_grace", "limit_gap",
)  # fmt: skip
_LEASE: Final = f"SELECT * FROM {_CALL_LEASE}"  # noqa: S608 a constant of names

# $1: the tenant; $2 and $3: the tasks and claim tokens of leases. Rows are locked in the order of their tasks, so that
# two calls with the same leases cannot deadlock. Rows are compared so that only the key can answer
# (docs/decisions/0010-plans-whatever-statistics-know.md).
_RENEW: Final = """
WITH locked AS MATERIALIZED (
    SELECT l.task_id FROM lease l
    WHERE l.tenant_id = $1 AND l.task_id = ANY($2::uuid[]) AND l.lost_at IS NULL ORDER BY l.task_id FOR NO KEY UPDATE
), renewed AS (
    UPDATE lease l
    SET expires_at = now() + make_interval(secs => l.lease_seconds), confirmed_at = coalesce(l.confirmed_at, now())
    FROM unnest($2::uuid[], $3::uuid[]) AS g (task_id, token)
    WHERE (l.tenant_id, l.task_id) >= ($1, g.task_id) AND (l.tenant_id, l.task_id) <= ($1, g.task_id)
      AND l.claim_token = g.token AND l.lost_at IS NULL AND l.task_id IN (SELECT task_id FROM locked)
    RETURNING l.task_id, l.claim_token, l.expires_at, l.worker
)
SELECT r.claim_token, r.worker, k.cancel_requested, least(r.expires_at, a.deadline_at) AS deadline
FROM renewed r
-- LATERAL with LIMIT: one look-up by the key for each lease. An attempt that has ended since has no row.
CROSS JOIN LATERAL (
    SELECT t.attempt, t.cancel_requested_at IS NOT NULL AS cancel_requested FROM task t
    WHERE t.tenant_id = $1 AND t.id = r.task_id AND t.claim_token = r.claim_token AND t.status = 'STARTED' LIMIT 1
) AS k
CROSS JOIN LATERAL (
    SELECT o.deadline_at FROM attempt o
    WHERE o.tenant_id = $1 AND o.task_id = r.task_id AND o.attempt = k.attempt LIMIT 1
) AS a
"""

_RUNNING: Final = """
SELECT k.* FROM unnest($2::uuid[], $3::uuid[]) AS g (task_id, token)
CROSS JOIN LATERAL (
    SELECT t.claim_token, t.task, t.pool, t.failed_attempts, t.max_attempts,
        t.cancel_requested_at IS NOT NULL AS cancel_requested
    FROM task t
    WHERE t.tenant_id = $1 AND t.id = g.task_id AND t.claim_token = g.token AND t.status = 'STARTED'
      AND t.pool LIKE 'remote:%' LIMIT 1
) AS k
"""

_DELETE: Final = """
DELETE FROM lease l USING unnest($2::uuid[], $3::uuid[]) AS g (task_id, token)
WHERE (l.tenant_id, l.task_id) >= ($1, g.task_id) AND (l.tenant_id, l.task_id) <= ($1, g.task_id)
  AND l.claim_token = g.token
"""

_SEEN: Final = """
INSERT INTO remote_worker AS w (tenant_id, worker, version, task_types) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, worker) DO UPDATE
    SET version = excluded.version, task_types = excluded.task_types, seen_at = now()
RETURNING w.first_seen_at = now()
"""
_FORGET: Final = """
DELETE FROM remote_worker WHERE tenant_id = $1 AND worker IN (
    SELECT worker FROM remote_worker WHERE tenant_id = $1 ORDER BY seen_at DESC OFFSET $2
)
"""
_BEAT: Final = """
UPDATE remote_worker SET seen_at = now()
WHERE tenant_id = $1 AND worker = ANY($2::text[]) AND seen_at < now() - make_interval(secs => $3)
"""
_WORKERS: Final = """
SELECT w.worker, w.version, w.task_types, w.first_seen_at, w.seen_at, coalesce(l.leases, 0) AS leases,
    w.seen_at > now() - make_interval(secs => $2) AS is_seen
FROM remote_worker w
LEFT JOIN (
    SELECT worker, count(*)::integer AS leases FROM lease WHERE tenant_id = $1 GROUP BY worker
) AS l ON l.worker = w.worker
WHERE w.tenant_id = $1 ORDER BY w.seen_at DESC, w.worker LIMIT $3
"""
_HAS_WAITING: Final = "SELECT EXISTS (SELECT FROM backlog b WHERE (b.pool, b.tenant_id) = ($2, $1))"
_IS_PAUSED: Final = "SELECT queue_paused OR queue_paused_by_tenant FROM tenant WHERE id = $1"
_LAST_LINE: Final = """
SELECT coalesce(max(seq), 0) AS seq,
    coalesce(sum(octet_length(message) + coalesce(octet_length(fields::text), 0)), 0)::integer AS bytes
FROM task_log WHERE tenant_id = $1 AND task_id = $2
  AND attempt = (SELECT t.attempt FROM task t WHERE t.tenant_id = $1 AND t.id = $2 AND t.claim_token = $3)
"""


class LeaseRef(Protocol):
    """A lease, named by its task and its claim token."""

    @property
    def task_id(self) -> UUID:
        """Return the id of its task."""

    @property
    def claim_token(self) -> UUID:
        """Return the random token of its claim."""


async def lease(
    connection: Connection, tenant_id: UUID, seconds: Mapping[str, int], *, limit: int, worker: str, key: UUID
) -> "list[asyncpg.Record]":
    """Claim due tasks of a tenant for a worker of its own (migrations/functions: tasks_lease).

    Call it outside a transaction. ``seconds`` are those of a renewal, by task type.
    """
    times = timing.WORKER_DEAD_AFTER, timing.DEADLINE_GRACE, timing.LIMIT_GAP
    named = list(seconds), list(seconds.values())
    return list(
        await connection.fetch(
            _LEASE, tenant_id, *named, limit, worker, timing.DELIVERY_SECONDS, REMOTE_WORKER, key, *times
        )
    )


async def renew(connection: Connection, tenant_id: UUID, leases: Sequence[LeaseRef]) -> "dict[UUID, asyncpg.Record]":
    """Renew leases, and return those that are valid by their claim tokens: deadline, worker, cancel_requested."""
    rows = await connection.fetch(_RENEW, tenant_id, *_named(leases))
    return {row["claim_token"]: row for row in rows}


async def running(connection: Connection, tenant_id: UUID, leases: Sequence[LeaseRef]) -> "dict[UUID, asyncpg.Record]":
    """Return what is known of the tasks of leases whose attempt runs, by their claim tokens."""
    rows = await connection.fetch(_RUNNING, tenant_id, *_named(leases))
    return {row["claim_token"]: row for row in rows}


async def delete(connection: Connection, tenant_id: UUID, leases: Sequence[LeaseRef]) -> None:
    """Delete the rows of leases whose attempts have ended."""
    await connection.execute(_DELETE, tenant_id, *_named(leases))


def _named(leases: Sequence[LeaseRef]) -> tuple[list[UUID], list[UUID]]:
    return [one.task_id for one in leases], [one.claim_token for one in leases]


async def seen(
    connection: Connection, tenant_id: UUID, worker: str, *, version: str | None, task_types: Sequence[str]
) -> None:
    """Note that a worker has asked for tasks. Workers beyond ``MAX_WORKERS`` are forgotten, those seen last stay."""
    if await connection.fetchval(_SEEN, tenant_id, worker, version, task_types):
        await connection.execute(_FORGET, tenant_id, MAX_WORKERS)


async def beat(connection: Connection, tenant_id: UUID, workers: Sequence[str]) -> None:
    """Note that workers have sent a heartbeat."""
    await connection.execute(_BEAT, tenant_id, workers, timing.SEEN_EVERY)


async def workers(connection: Connection, tenant_id: UUID) -> "list[asyncpg.Record]":
    """Return the tenant's own workers with the number of their leases, those seen last first."""
    return list(await connection.fetch(_WORKERS, tenant_id, timing.REMOTE_GONE_AFTER, MAX_WORKERS))


async def has_waiting(connection: Connection, tenant_id: UUID, pool: str) -> bool:
    """Return whether any task of a pool waits."""
    found: bool = await connection.fetchval(_HAS_WAITING, tenant_id, pool)
    return found


async def is_paused(connection: Connection, tenant_id: UUID) -> bool:
    """Return whether the tenant's queue is paused, by itself or by the operator."""
    return bool(await connection.fetchval(_IS_PAUSED, tenant_id))


async def last_line(connection: Connection, tenant_id: UUID, lease: LeaseRef) -> tuple[int, int]:
    """Return the number of the last log line of a lease's attempt, and the bytes of all its lines."""
    row = await connection.fetchrow(_LAST_LINE, tenant_id, lease.task_id, lease.claim_token)
    return (row["seq"], row["bytes"]) if row else (0, 0)
