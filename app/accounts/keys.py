"""API keys: issued, listed and revoked. Each change is audited."""

from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

from app.accounts import store
from app.audit import store as audit
from app.audit.store import Actor
from app.core.errors import InvalidRequest, LimitReached, NotFound
from app.core.ids import new_id
from app.core.secrets import Secrets
from app.db import Connection
from app.identity import api_keys
from app.identity.scopes import MEANINGS
from app.models.account import ApiKey
from app.tenants import tenancy

ALL_SCOPES: Final = frozenset(MEANINGS)

_NAME_LENGTH: Final = 200
_LONGEST_DAYS: Final = 3_650


async def issue(
    connection: Connection,
    actor: Actor,
    tenant_id: UUID,
    *,
    name: str,
    secrets: Secrets,
    scopes: Collection[str] = ALL_SCOPES,
    expires_days: int | None = None,
) -> tuple[ApiKey, str]:
    """Make a key and return it with its text, which nobody can show again.

    Raises ``InvalidRequest``, and ``LimitReached`` when the tenant has as many keys as its plan allows.
    """
    _check(name, scopes, expires_days)
    # The lock on the tenant's row makes two issues count one after the other.
    tenant = await tenancy.lock(connection, tenant_id)
    most = tenancy.limits_of(tenant).api_keys
    if await store.count_valid_keys(connection, tenant_id) >= most:
        raise LimitReached(f"The tenant may have {most} keys: revoke one, or raise the limit api_keys.")
    new = api_keys.generate()
    key = ApiKey(
        tenant_id=tenant_id,
        id=new_id(),
        key_id=new.key_id,
        digest=api_keys.digest(new.text, secrets.pepper(secrets.pepper_id)),
        pepper_id=secrets.pepper_id,
        name=name,
        scopes=sorted(scopes),
    )
    issued = await store.insert_key(connection, tenant_id, key, expires_days=expires_days)
    await audit.record(connection, tenant_id, actor, "key.issued", issued.key_id, {"name": name, "scopes": key.scopes})
    return issued, new.text


def _check(name: str, scopes: Collection[str], expires_days: int | None) -> None:
    if not name.strip() or len(name) > _NAME_LENGTH:
        raise InvalidRequest(f"A name has 1 to {_NAME_LENGTH} characters.")
    if not scopes or not ALL_SCOPES.issuperset(scopes):
        raise InvalidRequest(f"The scopes are: {', '.join(sorted(ALL_SCOPES))}.")
    if expires_days is not None and not 1 <= expires_days <= _LONGEST_DAYS:
        raise InvalidRequest(f"A key lives from 1 to {_LONGEST_DAYS} days.")


async def list_all(connection: Connection, tenant_id: UUID) -> Sequence[ApiKey]:
    """Return a tenant's keys, oldest first."""
    return await store.list_keys(connection, tenant_id)


async def revoke(connection: Connection, actor: Actor, tenant_id: UUID, key_id: str) -> None:
    """Revoke a key; a second time changes nothing. Raises ``NotFound``."""
    if not await store.revoke_key(connection, tenant_id, key_id):
        raise NotFound("The tenant has no key with this id.")
    await audit.record(connection, tenant_id, actor, "key.revoked", key_id)


def describe(key: ApiKey) -> dict[str, object]:
    """Return a key as plain data, without what is secret in it."""
    return {
        "key_id": key.key_id,
        "name": key.name,
        "scopes": list(key.scopes),
        "created_at": key.created_at.isoformat(),
        "expires_at": key.expires_at and key.expires_at.isoformat(),
        "revoked_at": key.revoked_at and key.revoked_at.isoformat(),
        "last_used_at": key.last_used_at and key.last_used_at.isoformat(),
    }
