"""Members: added, given another role, barred, removed, and their passwords. Each change is audited."""

import re
from collections.abc import Collection
from typing import Final
from uuid import UUID

from app.accounts import daily_changes
from app.accounts import member_store as store
from app.accounts import store as keys_store
from app.accounts.keys import ALL_SCOPES, granted
from app.audit import store as audit
from app.audit.store import Actor
from app.core.errors import EmailTaken, InsufficientScope, InvalidRequest, LastOwner, LimitReached, NotFound
from app.core.ids import new_id
from app.db import Connection
from app.identity.scopes import ROLES
from app.models.account import Member
from app.tenants import tenancy

_MOST: Final = 1_000
# ASCII alone: what looks alike is alike, and our lower case is the database's.
_EMAIL: Final = re.compile(r"[!-?A-~]{1,64}@[a-z0-9](?:[a-z0-9.-]{0,186}[a-z0-9])?")


def normalise(email: str) -> str:
    """Return an e-mail address as it is stored and looked for; raises ``InvalidRequest`` for what is none."""
    lower = email.strip().lower()
    if not _EMAIL.fullmatch(lower):
        raise InvalidRequest("An e-mail address has the form name@host, in ASCII.")
    return lower


async def add(
    connection: Connection,
    actor: Actor,
    tenant_id: UUID,
    *,
    email: str,
    role: str,
    password_hash: str,
    held: Collection[str] = ALL_SCOPES,
    issuer: str | None = None,
) -> Member:
    """Add a member.

    ``issuer`` is the ``key_id`` of the key that the caller used. Raises ``InvalidRequest``, ``EmailTaken``,
    ``InsufficientScope`` for a role that may do more than the caller, who holds the scopes ``held``, or where the
    caller's key has an end, and ``LimitReached`` for too many members, or too many changes of one day.
    """
    await tenancy.lock(connection, tenant_id)
    await check_room(connection, actor, tenant_id, role=role, held=held, issuer=issuer)
    member = Member(tenant_id=tenant_id, id=new_id(), email=normalise(email), role=role, password_hash=password_hash)
    added = await store.insert(connection, tenant_id, member)
    if added is None:
        raise taken()
    await audit.record(connection, tenant_id, actor, "member.added", added.email, {"role": role})
    return added


async def check_room(
    connection: Connection,
    actor: Actor,
    tenant_id: UUID,
    *,
    role: str,
    held: Collection[str],
    issuer: str | None,
) -> None:
    """Refuse a member for whom there is no room, or whose role the caller cannot give; raises as ``add`` does."""
    granted(_scopes(role), held)
    await daily_changes.admit(connection, actor, tenant_id)
    await _refuse_key_with_end(connection, tenant_id, issuer)
    if await store.count(connection, tenant_id) >= _MOST:
        raise LimitReached(f"A tenant may have {_MOST} members: remove one.")


async def _refuse_key_with_end(connection: Connection, tenant_id: UUID, issuer: str | None) -> None:
    """Refuse to let a key that ends give somebody rights that do not end; raises ``InsufficientScope``."""
    key = await keys_store.find_key(connection, tenant_id, issuer) if issuer else None
    if key is not None and key.expires_at is not None:
        raise InsufficientScope(
            "A key that expires cannot give rights to members. Log in, or use a key without an end."
        )


def taken() -> EmailTaken:
    """Return the refusal of an address that a member has."""
    return EmailTaken("A member has this e-mail address: each belongs to one tenant.")


def _scopes(role: str) -> frozenset[str]:
    if role not in ROLES:
        raise InvalidRequest(f"The roles are: {', '.join(ROLES)}.")
    return ROLES[role]


async def change(
    connection: Connection,
    actor: Actor,
    tenant_id: UUID,
    member_id: UUID,
    *,
    role: str | None = None,
    is_disabled: bool | None = None,
    held: Collection[str] = ALL_SCOPES,
    issuer: str | None = None,
) -> Member:
    """Give a member another role, bar it or let it return; ``None`` leaves things as they are.

    Raises ``NotFound``, ``InsufficientScope`` as ``add`` does, also for a member who may do more, ``LastOwner``, and
    ``LimitReached`` after too many changes of one day, unless it only disables the member.
    """
    await tenancy.lock(connection, tenant_id)
    if role is not None or not is_disabled:
        await daily_changes.admit(connection, actor, tenant_id)
        await _refuse_key_with_end(connection, tenant_id, issuer)
    before = await _known(connection, tenant_id, member_id)
    granted(_scopes(before.role) | _scopes(role or before.role), held)
    if is_disabled or (role or "owner") != "owner":
        await _keep_an_owner(connection, tenant_id, before)
    if role is not None:
        await store.set_role(connection, tenant_id, member_id, role)
    if is_disabled is not None:
        await store.set_disabled(connection, tenant_id, member_id, is_disabled=is_disabled)
    detail = {name: value for name, value in (("role", role), ("disabled", is_disabled)) if value is not None}
    await audit.record(connection, tenant_id, actor, "member.changed", before.email, detail)
    return await _known(connection, tenant_id, member_id)


async def remove(
    connection: Connection, actor: Actor, tenant_id: UUID, member_id: UUID, *, held: Collection[str] = ALL_SCOPES
) -> None:
    """Remove a member. Raises ``NotFound``, ``InsufficientScope`` for one who may do more, and ``LastOwner``."""
    await tenancy.lock(connection, tenant_id)
    member = await _known(connection, tenant_id, member_id)
    granted(_scopes(member.role), held)
    await _keep_an_owner(connection, tenant_id, member)
    await store.delete(connection, tenant_id, member_id)
    await audit.record(connection, tenant_id, actor, "member.removed", member.email)


async def find_by_email(connection: Connection, tenant_id: UUID, email: str) -> Member:
    """Return a tenant's member; raises ``NotFound``."""
    member = await store.find_by_email(connection, tenant_id, normalise(email))
    if member is None:
        raise NotFound("The tenant has no such member.")
    return member


async def set_password(
    connection: Connection, actor: Actor, tenant_id: UUID, member_id: UUID, password_hash: str
) -> int:
    """Write a member's own new password; its tokens are dead, and the version of the next ones is returned."""
    version = await store.set_password(connection, tenant_id, member_id, password_hash)
    if version is None:
        raise NotFound("The tenant has no such member.")
    await audit.record(connection, tenant_id, actor, "member.password_changed", actor.name)
    return version


async def _known(connection: Connection, tenant_id: UUID, member_id: UUID) -> Member:
    member = await store.find(connection, tenant_id, member_id)
    if member is None:
        raise NotFound("The tenant has no such member.")
    return member


async def _keep_an_owner(connection: Connection, tenant_id: UUID, member: Member) -> None:
    if member.role != "owner" or member.disabled_at:
        return
    if not await store.has_other_owner(connection, tenant_id, member.id):
        raise LastOwner("This is the last owner who can log in: make another member an owner first.")


def describe(member: Member) -> dict[str, object]:
    """Return a member as plain data, without what is secret in it."""
    return {
        "member_id": str(member.id),
        "email": member.email,
        "role": member.role,
        "created_at": member.created_at.isoformat(),
        "disabled_at": member.disabled_at and member.disabled_at.isoformat(),
    }
