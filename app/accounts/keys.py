"""API keys: issued, rotated, listed and revoked. Each change is audited.

Nobody gives what they do not have: whoever issues, rotates or revokes a key must hold each of its scopes (``granted``),
and a key that was made with another key ends no later than that one. A rotated key
and its successor count as one against the limit ``api_keys``, and a key has one successor at a time, so that a tenant
never has more than twice as many keys that hold.
"""

from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

from app.accounts import daily_changes, store
from app.audit import store as audit
from app.audit.store import Actor
from app.core.errors import IllegalState, InsufficientScope, InvalidRequest, LimitReached, NotFound
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

LONGEST_OVERLAP_SECONDS: Final = 7 * 86_400
DEFAULT_OVERLAP_SECONDS: Final = 86_400


async def issue(
    connection: Connection,
    actor: Actor,
    tenant_id: UUID,
    *,
    name: str,
    secrets: Secrets,
    scopes: Collection[str] = ALL_SCOPES,
    expires_days: int | None = None,
    issuer: str | None = None,
) -> tuple[ApiKey, str]:
    """Make a key and return it with its text, which nobody can show again.

    ``issuer`` is the ``key_id`` of the key that the caller used: the new key ends no later. Raises ``InvalidRequest``,
    and ``LimitReached`` when the tenant has as many keys as its plan allows, or has made too many changes today.
    """
    _check(name, scopes, expires_days)
    # The lock on the tenant's row makes two issues count one after the other.
    tenant = await tenancy.lock(connection, tenant_id)
    await daily_changes.admit(connection, actor, tenant_id)
    most = tenancy.limits_of(tenant).api_keys
    if await store.count_valid_keys(connection, tenant_id) >= most:
        raise LimitReached(f"The tenant may have {most} keys: revoke one, or raise the limit api_keys.")
    key, text = _make(tenant_id, name, scopes, secrets)
    issued = await store.insert_key(connection, tenant_id, key, expires_days=expires_days, issuer=issuer)
    await audit.record(connection, tenant_id, actor, "key.issued", issued.key_id, {"name": name, "scopes": key.scopes})
    return issued, text


def _make(tenant_id: UUID, name: str, scopes: Collection[str], secrets: Secrets) -> tuple[ApiKey, str]:
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
    return key, new.text


def _check(name: str, scopes: Collection[str], expires_days: int | None) -> None:
    if not name.strip() or len(name) > _NAME_LENGTH:
        raise InvalidRequest(f"A name has 1 to {_NAME_LENGTH} characters.")
    if not scopes or not ALL_SCOPES.issuperset(scopes):
        raise InvalidRequest(f"The scopes are: {', '.join(sorted(ALL_SCOPES))}.")
    if expires_days is not None and not 1 <= expires_days <= _LONGEST_DAYS:
        raise InvalidRequest(f"A key lives from 1 to {_LONGEST_DAYS} days.")


def granted(wanted: Collection[str], held: Collection[str]) -> None:
    """Refuse to give or take away scopes that the caller does not hold; raises ``InsufficientScope``."""
    if not set(held).issuperset(wanted):
        raise InsufficientScope("These credentials cannot give or take away scopes that they do not have themselves.")


async def rotate(
    connection: Connection,
    actor: Actor,
    tenant_id: UUID,
    key_id: str,
    *,
    overlap_seconds: int,
    secrets: Secrets,
    held: Collection[str] = ALL_SCOPES,
    issuer: str | None = None,
) -> tuple[ApiKey, str]:
    """Make a key of the same name, scopes and length of life; the old one ends after the overlap.

    ``issuer`` is the ``key_id`` of the key that the caller used: the new key ends no later, also where a key rotates
    itself. Raises ``InvalidRequest``, ``NotFound``, ``InsufficientScope`` where the caller, who holds the scopes
    ``held``, could not have issued the key, ``IllegalState`` for a key that is in a rotation already, and
    ``LimitReached`` after too many changes of one day.
    """
    if not 0 <= overlap_seconds <= LONGEST_OVERLAP_SECONDS:
        raise InvalidRequest(f"The overlap takes 0 to {LONGEST_OVERLAP_SECONDS} seconds.")
    await tenancy.lock(connection, tenant_id)
    await daily_changes.admit(connection, actor, tenant_id)
    old = await store.find_valid_key(connection, tenant_id, key_id)
    if old is None:
        raise NotFound("The tenant has no key with this id.")
    granted(old.scopes, held)
    if old.replaced_by:
        raise IllegalState("The key has a successor. Rotate that one, once this one has ended or is revoked.")
    if await store.has_valid_predecessor(connection, tenant_id, key_id):
        raise IllegalState("The key's predecessor still holds. Revoke it, or wait until it ends.")
    key, text = _make(tenant_id, old.name, old.scopes, secrets)
    new = await store.replace_key(connection, tenant_id, old, key, overlap_seconds=overlap_seconds, issuer=issuer)
    detail = {"successor": new.key_id, "overlap_seconds": overlap_seconds}
    await audit.record(connection, tenant_id, actor, "key.rotated", key_id, detail)
    return new, text


async def list_all(connection: Connection, tenant_id: UUID) -> Sequence[ApiKey]:
    """Return a tenant's keys, oldest first."""
    return await store.list_keys(connection, tenant_id)


async def revoke(
    connection: Connection, actor: Actor, tenant_id: UUID, key_id: str, *, held: Collection[str] = ALL_SCOPES
) -> None:
    """Revoke a key; a second time changes nothing, and leaves no event.

    Raises ``NotFound``, and ``InsufficientScope`` for a key that may do more than the caller, who holds ``held``.
    """
    key = await store.find_key(connection, tenant_id, key_id)
    if key is None:
        raise NotFound("The tenant has no key with this id.")
    granted(key.scopes, held)
    if await store.revoke_key(connection, tenant_id, key_id):
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
        "replaced_by": key.replaced_by,
    }
