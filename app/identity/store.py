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

# Both versions only increase, so a sum that is the same as at the login means that neither has changed.
_MEMBER_VERSION = "m.token_version + p.version"
_MEMBER_HOLDS = "m.disabled_at IS NULL AND t.status <> 'deleted'"

_FIND_MEMBER_OF_TOKEN = f"""
SELECT {_TENANT}, m.id AS member_id, m.email, m.role
FROM member m JOIN person p ON p.email = m.email JOIN tenant t ON t.id = m.tenant_id
WHERE m.tenant_id = $1 AND m.id = $2 AND t.token_version = $4 AND {_MEMBER_VERSION} = $5
  AND m.accepted_at IS NOT NULL AND {_MEMBER_HOLDS} AND {_NOT_REVOKED}
"""  # noqa: S608 constants

# A session of a member, or of a portal link. A key stays valid while its tenant is suspended, as above.
_FIND_SESSION = f"""
SELECT {_TENANT}, s.id AS session_id, s.role AS session_role, s.operator, s.label, s.return_url,
    m.id AS member_id, m.email, m.role, k.key_id, k.scopes,
    extract(epoch FROM least(s.expires_at, k.expires_at) - now())::double precision AS seconds_left
FROM console_session s JOIN tenant t ON t.id = s.tenant_id
LEFT JOIN member m ON m.tenant_id = s.tenant_id AND m.id = s.member_id LEFT JOIN person p ON p.email = m.email
LEFT JOIN api_key k ON k.key_id = s.key_id
WHERE s.digest = $1 AND s.expires_at > now() AND s.tenant_version = t.token_version AND t.status <> 'deleted'
  AND (s.member_id IS NULL
    OR (m.accepted_at IS NOT NULL AND {_MEMBER_HOLDS} AND {_MEMBER_VERSION} = s.member_version))
  AND (s.key_id IS NULL OR ({_KEY_HOLDS}))
"""  # noqa: S608 constants

_FIND_LINK = f"""
SELECT {_TENANT}, l.id AS link_id, l.key_id, l.operator, l.role, l.label, l.theme, l.return_url, l.session_seconds
FROM portal_link l JOIN tenant t ON t.id = l.tenant_id LEFT JOIN api_key k ON k.key_id = l.key_id
WHERE l.digest = $1 AND l.expires_at > now() AND t.status <> 'deleted' AND (l.key_id IS NULL OR ({_KEY_HOLDS}))
"""  # noqa: S608 constants

_FIND_LOGIN = f"""
SELECT {_TENANT}, t.name AS tenant_name, m.id AS member_id, m.email, m.role, {_MEMBER_VERSION} AS member_version,
    m.accepted_at IS NOT NULL AS is_accepted, m.invitation, p.password_hash, p.password_is_initial,
    p.version AS person_version
FROM person p JOIN member m ON m.email = p.email JOIN tenant t ON t.id = m.tenant_id
WHERE p.email = $1 AND {_MEMBER_HOLDS} ORDER BY t.slug
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
_PRUNE = [
    f"DELETE FROM {table} WHERE expires_at < now()"  # noqa: S608 constants
    for table in ("revoked_token", "console_session", "portal_link")
]


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


async def find_session_any_tenant(connection: Connection, digest: bytes) -> asyncpg.Record | None:
    """Return a valid session of the console with its tenant, and the epoch of the same snapshot."""
    return await connection.fetchrow(_FIND_SESSION, digest, timeout=_ANSWER_TIMEOUT)


async def find_link_any_tenant(connection: Connection, digest: bytes) -> asyncpg.Record | None:
    """Return a portal link that is valid now, with its tenant."""
    return await connection.fetchrow(_FIND_LINK, digest, timeout=_ANSWER_TIMEOUT)


async def memberships_any_tenant(connection: Connection, email: str) -> list[asyncpg.Record]:
    """Return the memberships of the person with an address (in lower case), with tenant and person, by slug.

    Disabled ones are left out, so a person without any membership is like an unknown one.
    """
    return list(await connection.fetch(_FIND_LOGIN, email, timeout=_ANSWER_TIMEOUT))


async def is_person_any_tenant(connection: Connection, email: str) -> bool:
    """Return whether a person has the e-mail address (in lower case), also one with disabled memberships only."""
    query = "SELECT EXISTS (SELECT FROM person WHERE email = $1)"
    is_known: bool = await connection.fetchval(query, email, timeout=_ANSWER_TIMEOUT)
    return is_known


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
    """Delete the revoked tokens, sessions and portal links that have expired."""
    for statement in _PRUNE:
        await connection.execute(statement, timeout=_ANSWER_TIMEOUT)
