"""The rows of API keys and of revoked tokens."""

from collections.abc import Sequence
from uuid import UUID

from app.db import Connection, affected
from app.models.account import ApiKey

# Not the digest: who manages keys need not be able to read it.
_COLUMNS = "tenant_id, id, key_id, name, scopes, created_at, expires_at, revoked_at, last_used_at, replaced_by"

# What holds now, without the keys in the overlap of a rotation: their place is their successor's.
_COUNT = """
SELECT count(*) FROM api_key
WHERE tenant_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()) AND replaced_by IS NULL
"""

# Its successor lives as long, from now, as it was made for.
_LIFE = "SELECT now() + (expires_at - created_at) FROM api_key WHERE tenant_id = $1 AND key_id = $2"

_REPLACE = """
UPDATE api_key SET replaced_by = $3, expires_at = least(expires_at, now() + make_interval(secs => $4))
WHERE tenant_id = $1 AND key_id = $2
"""


async def insert_key(
    connection: Connection, tenant_id: UUID, key: ApiKey, *, expires_days: int | None, issuer: str | None
) -> ApiKey:
    """Insert a key. It ends ``expires_days`` from now by the database's clock, or when the key says.

    It ends no later than the key with the ``key_id`` ``issuer``.
    """
    rows = await connection.fetch(
        # Constants alone make the text.
        "INSERT INTO api_key (tenant_id, id, key_id, digest, pepper_id, name, scopes, expires_at)"  # noqa: S608
        " VALUES ($1, $2, $3, $4, $5, $6, $7, least(coalesce($9, now() + make_interval(days => $8)),"
        " (SELECT i.expires_at FROM api_key i WHERE i.tenant_id = $1 AND i.key_id = $10))) RETURNING " + _COLUMNS,
        tenant_id,
        key.id,
        key.key_id,
        key.digest,
        key.pepper_id,
        key.name,
        key.scopes,
        expires_days,
        key.expires_at,
        issuer,
    )
    return ApiKey(**rows[0])


async def list_keys(connection: Connection, tenant_id: UUID) -> Sequence[ApiKey]:
    """Return a tenant's keys, oldest first, with those that hold no more."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM api_key WHERE tenant_id = $1 ORDER BY id",  # noqa: S608 constants
        tenant_id,
    )
    return [ApiKey(**row) for row in rows]


async def page_of_keys(connection: Connection, tenant_id: UUID, *, before: UUID, limit: int) -> Sequence[ApiKey]:
    """Return the keys older than ``before``, newest first."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM api_key WHERE tenant_id = $1 AND id < $2"  # noqa: S608 constants
        " ORDER BY id DESC LIMIT $3",
        tenant_id,
        before,
        limit,
    )
    return [ApiKey(**row) for row in rows]


async def find_valid_key(connection: Connection, tenant_id: UUID, key_id: str) -> ApiKey | None:
    """Return a key that holds now."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM api_key WHERE tenant_id = $1 AND key_id = $2"  # noqa: S608 constants
        " AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())",
        tenant_id,
        key_id,
    )
    return ApiKey(**row) if row else None


async def find_key(connection: Connection, tenant_id: UUID, key_id: str) -> ApiKey | None:
    """Return a key, also one that has ended."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM api_key WHERE tenant_id = $1 AND key_id = $2",  # noqa: S608 constants
        tenant_id,
        key_id,
    )
    return ApiKey(**row) if row else None


async def has_valid_predecessor(connection: Connection, tenant_id: UUID, key_id: str) -> bool:
    """Say whether a key holds in whose place this one came."""
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM api_key WHERE tenant_id = $1 AND replaced_by = $2"
        " AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()))",
        tenant_id,
        key_id,
    )
    return found


async def count_valid_keys(connection: Connection, tenant_id: UUID) -> int:
    """Return how many of a tenant's keys hold now; one that was rotated counts once, in its successor."""
    count: int = await connection.fetchval(_COUNT, tenant_id)
    return count


async def replace_key(
    connection: Connection, tenant_id: UUID, old: ApiKey, new: ApiKey, *, overlap_seconds: int, issuer: str | None
) -> ApiKey:
    """Insert a key in the place of another, which ends after the overlap or at its own end."""
    new.expires_at = await connection.fetchval(_LIFE, tenant_id, old.key_id)
    inserted = await insert_key(connection, tenant_id, new, expires_days=None, issuer=issuer)
    await connection.execute(_REPLACE, tenant_id, old.key_id, new.key_id, overlap_seconds)
    return inserted


async def revoke_key(connection: Connection, tenant_id: UUID, key_id: str) -> bool:
    """Revoke a key for good; ``False`` when it was revoked before."""
    tag = await connection.execute(
        "UPDATE api_key SET revoked_at = now() WHERE tenant_id = $1 AND key_id = $2 AND revoked_at IS NULL",
        tenant_id,
        key_id,
    )
    return affected(tag) == 1


async def revoke_token(connection: Connection, tenant_id: UUID, jti: UUID, *, expires_at: float) -> bool:
    """Put a token on the deny list until its end (Unix seconds); ``False`` when it was there."""
    tag = await connection.execute(
        "INSERT INTO revoked_token (tenant_id, jti, expires_at) VALUES ($1, $2, to_timestamp($3))"
        " ON CONFLICT (tenant_id, jti) DO NOTHING",
        tenant_id,
        jti,
        expires_at,
    )
    return affected(tag) == 1


async def revoke_all_tokens(connection: Connection, tenant_id: UUID) -> None:
    """Raise the version of a tenant's tokens: those made so far are dead."""
    await connection.execute("UPDATE tenant SET token_version = token_version + 1 WHERE id = $1", tenant_id)
