"""SQL of the table ``worker``: one row for each worker process, with its heartbeat."""

import os
from collections.abc import Sequence
from uuid import UUID

from app.db import Connection

_BEAT = """
INSERT INTO worker (id, hostname, pool, slots, task_types, claim_tokens, pid) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (id) DO UPDATE SET heartbeat_at = now(), slots = excluded.slots, claim_tokens = excluded.claim_tokens
"""


async def beat_any_tenant(
    connection: Connection,
    worker_id: UUID,
    *,
    hostname: str,
    pool: str,
    slots: int,
    task_types: Sequence[str],
    claim_tokens: Sequence[UUID],
) -> None:
    """Write a worker's heartbeat with the database's time. ``claim_tokens`` names the attempts that it holds."""
    await connection.execute(_BEAT, worker_id, hostname, pool, slots, task_types, claim_tokens, os.getpid())


async def remove_any_tenant(connection: Connection, worker_id: UUID) -> None:
    """Delete the row of a worker that ends."""
    await connection.execute("DELETE FROM worker WHERE id = $1", worker_id)
