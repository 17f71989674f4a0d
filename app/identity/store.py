"""SQL of credentials, for the role tq_auth. It searches all tenants, because the tenant is not known yet."""

from collections.abc import Sequence

import asyncpg

from app.db import Connection
from app.identity.tokens import Claims

# Seconds for one statement.
_ANSWER_TIMEOUT = 2.0

# The epoch comes from the same snapshot as the row, so a cache entry can never claim a newer epoch than its data.
_TENANT = """t.id AS tenant_id, t.slug, t.plan, t.limits AS overrides, t.status, t.token_version AS tenant_version,
    (SELECT epoch FROM auth_epoch) AS epoch, extract(epoch FROM now())::double precision AS now"""

_KEY = """k.key_id, k.scopes, extract(epoch FROM k.expires_at - now())::double precision AS seconds_left"""

# A key stays valid while its tenant is suspended: the verifier answers 403 then, not 401.
_KEY_HOLDS = """k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now()) AND t.status <> 'deleted'"""

# $3 is the id (jti) of the token.
_NOT_REVOKED = "NOT EXISTS (SELECT FROM revoked_token r WHERE r.tenant_id = t.id AND r.jti = $3)"

_FIND_KEY = f"""
SELECT {_TENANT}, {_KEY}, k.digest, k.pepper_id
FROM api_key k JOIN tenant t ON t.id = k.tenant_id
WHERE k.key_id = $1 AND {_KEY_HOLDS}
"""  # noqa: S608 constants

_FIND_KEY_OF_TOKEN = f"""
SELECT {_TENANT}, {_KEY}
FROM api_key k JOIN tenant t ON t.id = k.tenant_id
WHERE k.tenant_id = $1 AND k.key_id = $2 AND t.token_version = $4 AND {_KEY_HOLDS} AND {_NOT_REVOKED}
"""  # noqa: S608 constants

_FIND_MEMBER_OF_TOKEN = f"""
SELECT {_TENANT}, m.id AS member_id, m.email, m.role
FROM member m JOIN tenant t ON t.id = m.tenant_id
WHERE m.tenant_id = $1 AND m.id = $2 AND t.token_version = $4 AND m.token_version = $5
  AND m.disabled_at IS NULL AND t.status <> 'deleted' AND {_NOT_REVOKED}
"""  # noqa: S608 constants

_FIND_LOGIN = f"""
SELECT {_TENANT}, m.id AS member_id, m.email, m.role, m.password_hash, m.token_version AS member_version
FROM member m JOIN tenant t ON t.id = m.tenant_id
WHERE m.email = $1 AND m.disabled_at IS NULL AND t.status <> 'deleted'
"""  # noqa: S608 constants

# Every process updates the same keys, so rows are locked in one order and locked rows are skipped. Missing one update
# is harmless, because the next one comes within a minute.
_TOUCH = """
UPDATE api_key SET last_used_at = now() WHERE key_id IN (
    SELECT key_id FROM api_key
    WHERE key_id = ANY($1) AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
    ORDER BY key_id FOR UPDATE SKIP LOCKED
)
"""

# The RLS policy ``prune`` lets tq_auth delete expired rows only.
_PRUNE = "DELETE FROM revoked_token WHERE expires_at < now()"


async def find_key_any_tenant(connection: Connection, key_id: str) -> asyncpg.Record | None:
    """Return a valid key with its tenant, and the epoch of the same snapshot."""
    return await connection.fetchrow(_FIND_KEY, key_id, timeout=_ANSWER_TIMEOUT)


async def find_bearer_any_tenant(connection: Connection, claims: Claims) -> asyncpg.Record | None:
    """Return the key or member of a token with its tenant and the epoch, or ``None`` when one is no longer valid."""
    subject = claims.subject
    common = subject.tenant_id, subject.key_id or subject.member_id, claims.jti, subject.tenant_version
    if subject.key_id:
        return await connection.fetchrow(_FIND_KEY_OF_TOKEN, *common, timeout=_ANSWER_TIMEOUT)
    return await connection.fetchrow(_FIND_MEMBER_OF_TOKEN, *common, subject.member_version, timeout=_ANSWER_TIMEOUT)


async def find_login_any_tenant(connection: Connection, email: str) -> asyncpg.Record | None:
    """Return the member who may log in with an address (in lower case), and its tenant."""
    return await connection.fetchrow(_FIND_LOGIN, email, timeout=_ANSWER_TIMEOUT)


async def is_address_taken_any_tenant(connection: Connection, email: str) -> bool:
    """Return whether a member, also a disabled one, has the e-mail address (in lower case)."""
    query = "SELECT EXISTS (SELECT FROM member WHERE email = $1)"
    is_taken: bool = await connection.fetchval(query, email, timeout=_ANSWER_TIMEOUT)
    return is_taken


async def read_epoch_any_tenant(connection: Connection) -> tuple[int, float]:
    """Return the auth epoch, which changes with every change of permissions, and the time in Unix seconds."""
    row = await connection.fetchrow(
        "SELECT epoch, extract(epoch FROM now())::double precision AS now FROM auth_epoch", timeout=_ANSWER_TIMEOUT
    )
    assert row is not None  # noqa: S101 the migration put the row there
    return row["epoch"], row["now"]


async def touch_keys_any_tenant(connection: Connection, key_ids: Sequence[str]) -> None:
    """Set the time of last use, at most once a minute for each key."""
    await connection.execute(_TOUCH, list(key_ids), timeout=_ANSWER_TIMEOUT)


async def prune_tokens_any_tenant(connection: Connection) -> None:
    """Delete the revoked tokens that have expired."""
    await connection.execute(_PRUNE, timeout=_ANSWER_TIMEOUT)
