"""The rows of API keys."""

from collections.abc import Sequence
from uuid import UUID

from app.db import Connection, affected
from app.models.account import ApiKey

_COLUMNS = "tenant_id, id, key_id, digest, pepper_id, name, scopes, created_at, expires_at, revoked_at, last_used_at"


async def insert_key(connection: Connection, tenant_id: UUID, key: ApiKey, *, expires_days: int | None) -> ApiKey:
    """Insert a key whose life, if it is bounded, starts by the database's clock."""
    rows = await connection.fetch(
        # Constants alone make the text.
        "INSERT INTO api_key (tenant_id, id, key_id, digest, pepper_id, name, scopes, expires_at)"  # noqa: S608
        " VALUES ($1, $2, $3, $4, $5, $6, $7, now() + make_interval(days => $8)) RETURNING " + _COLUMNS,
        tenant_id,
        key.id,
        key.key_id,
        key.digest,
        key.pepper_id,
        key.name,
        key.scopes,
        expires_days,
    )
    return ApiKey(**rows[0])


async def list_keys(connection: Connection, tenant_id: UUID) -> Sequence[ApiKey]:
    """Return a tenant's keys, oldest first, with those that hold no more."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM api_key WHERE tenant_id = $1 ORDER BY id",  # noqa: S608 constants
        tenant_id,
    )
    return [ApiKey(**row) for row in rows]


async def count_valid_keys(connection: Connection, tenant_id: UUID) -> int:
    """Return how many of a tenant's keys hold now."""
    count: int = await connection.fetchval(
        "SELECT count(*) FROM api_key"
        " WHERE tenant_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())",
        tenant_id,
    )
    return count


async def revoke_key(connection: Connection, tenant_id: UUID, key_id: str) -> bool:
    """Revoke a key for good, keeping the time of a first revocation; ``False`` when there is no such key."""
    tag = await connection.execute(
        "UPDATE api_key SET revoked_at = coalesce(revoked_at, now()) WHERE tenant_id = $1 AND key_id = $2",
        tenant_id,
        key_id,
    )
    return affected(tag) == 1
