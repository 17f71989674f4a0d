"""API keys: issued, rotated, listed and revoked. Each change is audited.

A caller who issues, rotates or revokes a key must have each of its scopes (``require_scopes``), and a key that was made
with another key ends no later than that one. Otherwise a leaked key could give itself more rights or a longer life.
A rotated key and its successor count as one against the limit ``api_keys``. A key has one successor at a time, so a
tenant never has more than twice as many valid keys as the limit says.
"""

from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

from app.accounts import daily_changes, store
from app.accounts.rows import KeyRow
from app.audit import log as audit
from app.audit.log import Actor
from app.core.errors import IllegalState, InsufficientScope, InvalidRequest, LimitReached, NotFound
from app.core.ids import new_id
from app.core.secrets import Secrets
from app.db import Connection
from app.identity import api_keys
from app.identity.scopes import MEANINGS
from app.tenants import tenancy

ALL_SCOPES: Final = frozenset(MEANINGS)

_NAME_LENGTH: Final = 200
_MAX_EXPIRES_DAYS: Final = 3_650

# Seconds for which both keys of a rotation are valid, so that clients can change the key one after the other.
MAX_OVERLAP_SECONDS: Final = 7 * 86_400
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
) -> tuple[KeyRow, str]:
    """Make a key and return it with its text, which is not stored and cannot be shown again.

    ``issuer`` is the ``key_id`` of the key that the caller used: the new key ends no later. Raises ``InvalidRequest``,
    and ``LimitReached`` when the tenant has as many keys as its plan allows, or has made too many changes today.
    """
    # Invalid input is refused before the lock, for which other calls may wait.
    _check(name, scopes, expires_days)
    # The lock on the tenant's row makes two concurrent calls count one after the other.
    tenant = await tenancy.lock(connection, tenant_id)
    await daily_changes.admit(connection, actor, tenant_id)
    max_keys = tenancy.limits_of(tenant).api_keys
    if await store.count_valid_keys(connection, tenant_id) >= max_keys:
        raise LimitReached(
            f"The tenant may have {max_keys} valid keys. Revoke one, or ask the operator to raise the limit api_keys."
        )
    key, text = _make(tenant_id, name, scopes, secrets)
    issued = await store.insert_key(connection, tenant_id, key, expires_days=expires_days, issuer=issuer)
    await audit.record(connection, tenant_id, actor, "key.issued", issued.key_id, {"name": name, "scopes": key.scopes})
    return issued, text


def _make(tenant_id: UUID, name: str, scopes: Collection[str], secrets: Secrets) -> tuple[KeyRow, str]:
    new = api_keys.generate()
    key = KeyRow(
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
        raise InvalidRequest(f"The name of a key must have 1 to {_NAME_LENGTH} characters.")
    if not scopes or not ALL_SCOPES.issuperset(scopes):
        raise InvalidRequest(f"Choose at least one of these scopes: {', '.join(sorted(ALL_SCOPES))}.")
    if expires_days is not None and not 1 <= expires_days <= _MAX_EXPIRES_DAYS:
        raise InvalidRequest(f"A key must expire after 1 to {_MAX_EXPIRES_DAYS} days.")


def require_scopes(wanted: Collection[str], caller_scopes: Collection[str]) -> None:
    """Check that the caller has the scopes that it gives or takes away. Raises ``InsufficientScope``."""
    if not set(caller_scopes).issuperset(wanted):
        raise InsufficientScope(
            "These credentials cannot give or take away scopes that they do not have. Use ones with more scopes."
        )


async def rotate(
    connection: Connection,
    actor: Actor,
    tenant_id: UUID,
    key_id: str,
    *,
    overlap_seconds: int,
    secrets: Secrets,
    caller_scopes: Collection[str] = ALL_SCOPES,
    issuer: str | None = None,
) -> tuple[KeyRow, str]:
    """Make a key with the same name, scopes and length of life; the old key ends after ``overlap_seconds``.

    ``issuer`` is the ``key_id`` of the key that the caller used: the new key ends no later, also when a key rotates
    itself. Raises ``InvalidRequest``, ``NotFound``, ``InsufficientScope`` when the key has scopes outside
    ``caller_scopes``, ``IllegalState`` for a key that is already in a rotation, and ``LimitReached`` after too many
    changes in one day.
    """
    if not 0 <= overlap_seconds <= MAX_OVERLAP_SECONDS:
        raise InvalidRequest(f"The overlap must be 0 to {MAX_OVERLAP_SECONDS} seconds.")
    # The lock makes two concurrent rotations of a key run one after the other: the second one is refused below.
    await tenancy.lock(connection, tenant_id)
    await daily_changes.admit(connection, actor, tenant_id)
    old = await store.find_valid_key(connection, tenant_id, key_id)
    if old is None:
        raise NotFound("The tenant has no key with this id. Look it up in the list of the tenant's keys.")
    require_scopes(old.scopes, caller_scopes)
    # One successor at a time bounds the number of valid keys, as the docstring of the module says.
    if old.replaced_by:
        raise IllegalState("This key was already rotated. Rotate its successor after this key has ended or is revoked.")
    if await store.has_valid_predecessor(connection, tenant_id, key_id):
        raise IllegalState("The predecessor of this key is still valid. Revoke it, or wait until it ends.")
    key, text = _make(tenant_id, old.name, old.scopes, secrets)
    new = await store.replace_key(connection, tenant_id, old, key, overlap_seconds=overlap_seconds, issuer=issuer)
    detail = {"successor": new.key_id, "overlap_seconds": overlap_seconds}
    await audit.record(connection, tenant_id, actor, "key.rotated", key_id, detail)
    return new, text


async def list_all(connection: Connection, tenant_id: UUID) -> Sequence[KeyRow]:
    """Return a tenant's keys, oldest first, including ended ones."""
    return await store.list_keys(connection, tenant_id)


async def page(connection: Connection, tenant_id: UUID, *, before: UUID, limit: int) -> Sequence[KeyRow]:
    """Return up to ``limit`` of a tenant's keys older than the id ``before``, newest first, including ended ones."""
    return await store.page_of_keys(connection, tenant_id, before=before, limit=limit)


async def revoke(
    connection: Connection, actor: Actor, tenant_id: UUID, key_id: str, *, caller_scopes: Collection[str] = ALL_SCOPES
) -> None:
    """Revoke a key. A second call changes nothing and records no event.

    Raises ``NotFound``, and ``InsufficientScope`` for a key with scopes outside ``caller_scopes``.
    """
    # The daily limit is not asked: a tenant must always be able to revoke a leaked key.
    key = await store.find_key(connection, tenant_id, key_id)
    if key is None:
        raise NotFound("The tenant has no key with this id. Look it up in the list of the tenant's keys.")
    require_scopes(key.scopes, caller_scopes)
    # Only the first call changes the row, so only that one records an event.
    if await store.revoke_key(connection, tenant_id, key_id):
        await audit.record(connection, tenant_id, actor, "key.revoked", key_id)


def describe(key: KeyRow) -> dict[str, object]:
    """Return a key as plain data, without its digest."""
    return {
        "key_id": key.key_id,
        "name": key.name,
        "scopes": list(key.scopes),
        "created_at": key.created_at and key.created_at.isoformat(),
        "expires_at": key.expires_at and key.expires_at.isoformat(),
        "revoked_at": key.revoked_at and key.revoked_at.isoformat(),
        "last_used_at": key.last_used_at and key.last_used_at.isoformat(),
        "replaced_by": key.replaced_by,
    }
