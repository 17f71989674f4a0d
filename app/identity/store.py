"""The SQL of identity, as the role tq_auth: the tenant is what is looked for."""

from collections.abc import Sequence

import asyncpg

from app.db import Connection

_ANSWER_TIMEOUT = 2.0

_FIND_KEY = """
SELECT k.digest, k.pepper_id, k.scopes, k.tenant_id, t.slug, t.plan, t.limits, t.status,
       extract(epoch FROM k.expires_at - now())::double precision AS seconds_left,
       (SELECT epoch FROM auth_epoch) AS epoch
FROM api_key k JOIN tenant t ON t.id = k.tenant_id
WHERE k.key_id = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
  AND t.status <> 'deleted'
"""

# Locked in order and without waiting: every process writes the same keys, and the time is no matter of life and death.
_TOUCH = """
UPDATE api_key SET last_used_at = now() WHERE key_id IN (
    SELECT key_id FROM api_key
    WHERE key_id = ANY($1) AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
    ORDER BY key_id FOR UPDATE SKIP LOCKED
)
"""


async def find_key_any_tenant(connection: Connection, key_id: str) -> asyncpg.Record | None:
    """Return a key that holds, its tenant, and the epoch of the same snapshot."""
    return await connection.fetchrow(_FIND_KEY, key_id, timeout=_ANSWER_TIMEOUT)


async def read_epoch_any_tenant(connection: Connection) -> int:
    """Return the number that moves with every change of a key or tenant."""
    epoch: int = await connection.fetchval("SELECT epoch FROM auth_epoch", timeout=_ANSWER_TIMEOUT)
    return epoch


async def touch_keys_any_tenant(connection: Connection, key_ids: Sequence[str]) -> None:
    """Set the time of last use, at most once a minute for each key."""
    await connection.execute(_TOUCH, list(key_ids), timeout=_ANSWER_TIMEOUT)
