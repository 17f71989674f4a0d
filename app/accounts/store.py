"""SQL of API keys and revoked tokens."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from app.accounts.rows import KeyRow
from app.db import Connection, affected

# All columns except the digest: code that manages keys does not need it.
_COLUMNS = "tenant_id, id, key_id, name, scopes, created_at, expires_at, revoked_at, last_used_at, replaced_by"

# Valid keys, without those in the overlap of a rotation: the successor counts instead of them.
_COUNT = """
SELECT count(*) FROM api_key
WHERE tenant_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()) AND replaced_by IS NULL
"""

# The successor gets the same length of life as the key had, counted from now.
_LIFE = "SELECT now() + (expires_at - created_at) FROM api_key WHERE tenant_id = $1 AND key_id = $2"

_REPLACE = """
UPDATE api_key SET replaced_by = $3, expires_at = least(expires_at, now() + make_interval(secs => $4))
WHERE tenant_id = $1 AND key_id = $2
"""


async def insert_key(
    connection: Connection, tenant_id: UUID, key: KeyRow, *, expires_days: int | None, issuer: str | None
) -> KeyRow:
    """Insert a key.

    It expires at ``key.expires_at`` when that is set, else ``expires_days`` from now by the database's clock, and never
    later than the key whose ``key_id`` is ``issuer``.
    """
    rows = await connection.fetch(
        # The text is made of constants only.
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
    return KeyRow(**rows[0])


async def list_keys(connection: Connection, tenant_id: UUID) -> Sequence[KeyRow]:
    """Return a tenant's keys, oldest first, including ended ones."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM api_key WHERE tenant_id = $1 ORDER BY id",  # noqa: S608 constants
        tenant_id,
    )
    return [KeyRow(**row) for row in rows]


async def page_of_keys(connection: Connection, tenant_id: UUID, *, before: UUID, limit: int) -> Sequence[KeyRow]:
    """Return the keys older than ``before``, newest first."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM api_key WHERE tenant_id = $1 AND id < $2"  # noqa: S608 constants
        " ORDER BY id DESC LIMIT $3",
        tenant_id,
        before,
        limit,
    )
    return [KeyRow(**row) for row in rows]


async def find_valid_key(connection: Connection, tenant_id: UUID, key_id: str) -> KeyRow | None:
    """Return a key that is valid now."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM api_key WHERE tenant_id = $1 AND key_id = $2"  # noqa: S608 constants
        " AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())",
        tenant_id,
        key_id,
    )
    return KeyRow(**row) if row else None


async def find_key(connection: Connection, tenant_id: UUID, key_id: str) -> KeyRow | None:
    """Return a key, also one that has ended."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM api_key WHERE tenant_id = $1 AND key_id = $2",  # noqa: S608 constants
        tenant_id,
        key_id,
    )
    return KeyRow(**row) if row else None


async def has_valid_predecessor(connection: Connection, tenant_id: UUID, key_id: str) -> bool:
    """Return whether the key that this one replaced is still valid."""
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM api_key WHERE tenant_id = $1 AND replaced_by = $2"
        " AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()))",
        tenant_id,
        key_id,
    )
    return found


async def count_valid_keys(connection: Connection, tenant_id: UUID) -> int:
    """Return the number of a tenant's valid keys. A rotated key is not counted, but its successor is."""
    count: int = await connection.fetchval(_COUNT, tenant_id)
    return count


async def replace_key(
    connection: Connection, tenant_id: UUID, old: KeyRow, new: KeyRow, *, overlap_seconds: int, issuer: str | None
) -> KeyRow:
    """Insert the successor of a key. The old key ends after the overlap, or earlier at its own end."""
    # Read before the old key is changed below: its own end then moves to the end of the overlap.
    ends_at = await connection.fetchval(_LIFE, tenant_id, old.key_id)
    successor = replace(new, expires_at=ends_at)
    inserted = await insert_key(connection, tenant_id, successor, expires_days=None, issuer=issuer)
    await connection.execute(_REPLACE, tenant_id, old.key_id, new.key_id, overlap_seconds)
    return inserted


async def revoke_key(connection: Connection, tenant_id: UUID, key_id: str) -> bool:
    """Revoke a key. Return ``False`` when it was already revoked."""
    tag = await connection.execute(
        "UPDATE api_key SET revoked_at = now() WHERE tenant_id = $1 AND key_id = $2 AND revoked_at IS NULL",
        tenant_id,
        key_id,
    )
    return affected(tag) == 1


async def revoke_token(connection: Connection, tenant_id: UUID, jti: UUID, *, expires_at: float) -> bool:
    """Put a token on the deny list until its end (Unix seconds). Return ``False`` when it was already there."""
    # Revoking a token twice is not an error (RFC 7009, section 2.2).
    tag = await connection.execute(
        "INSERT INTO revoked_token (tenant_id, jti, expires_at) VALUES ($1, $2, to_timestamp($3))"
        " ON CONFLICT (tenant_id, jti) DO NOTHING",
        tenant_id,
        jti,
        expires_at,
    )
    return affected(tag) == 1


async def revoke_all_tokens(connection: Connection, tenant_id: UUID) -> None:
    """Raise the version of a tenant's tokens, which makes all earlier tokens invalid."""
    await connection.execute("UPDATE tenant SET token_version = token_version + 1 WHERE id = $1", tenant_id)
