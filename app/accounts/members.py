"""Members: add them, change their role, disable and remove them, set passwords. Each change is audited."""

import re
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from app.accounts import daily_changes, person_store
from app.accounts import member_store as store
from app.accounts import store as keys_store
from app.accounts.keys import ALL_SCOPES, require_scopes
from app.accounts.rows import MemberRow
from app.audit import log as audit
from app.audit.log import Actor
from app.core.errors import EmailTaken, InsufficientScope, InvalidRequest, LastOwner, LimitReached, NotFound
from app.core.ids import new_id
from app.db import Connection
from app.identity import console_cookies
from app.identity.scopes import ROLES
from app.tenants import tenancy

# The same for all plans: it bounds a tenant's rows, and the list that scripts/admin shows at once.
MAX_MEMBERS: Final = 1_000
# ASCII only: addresses that look alike are then equal, and Python and Postgres agree on lower case.
_EMAIL: Final = re.compile(r"[!-?A-~]{1,64}@[a-z0-9](?:[a-z0-9.-]{0,186}[a-z0-9])?")


def normalise(email: str) -> str:
    """Return an e-mail address as it is stored and searched. Raises ``InvalidRequest`` for an invalid address."""
    lower = email.strip().lower()
    if not _EMAIL.fullmatch(lower):
        raise InvalidRequest("Send an e-mail address of the form name@host, in ASCII.")
    return lower


class AddedMember(NamedTuple):
    """A member that was just added."""

    member: MemberRow
    invitation: str | None
    """The code with which a person who was known before accepts. It is shown once. None: the person is new."""


async def add(
    connection: Connection,
    actor: Actor,
    tenant_id: UUID,
    *,
    email: str,
    role: str,
    password_hash: str,
    caller_scopes: Collection[str] = ALL_SCOPES,
    issuer: str | None = None,
) -> AddedMember:
    """Add a member. ``password_hash`` is of the first password; a person who is known already keeps its own.

    ``issuer`` is the ``key_id`` of the key that the caller used. Raises ``InvalidRequest``, ``EmailTaken``,
    ``InsufficientScope`` for a role with scopes outside ``caller_scopes``, or when the caller's key expires, and
    ``LimitReached`` for too many members, or too many changes in one day.
    """
    # The lock makes concurrent calls count one after the other, so that no tenant exceeds the limit.
    await tenancy.lock(connection, tenant_id)
    await check_room(connection, actor, tenant_id, role=role, caller_scopes=caller_scopes, issuer=issuer)
    address = normalise(email)
    is_new = await store.enter_any_tenant(connection, address, password_hash)
    # Who knows the password of a known person may be somebody else than the person that this tenant means: its first
    # password was chosen by another tenant. So the person needs a code of this tenant as well.
    code = None if is_new else console_cookies.generate()
    digest = code and console_cookies.digest(code)
    member = MemberRow(tenant_id=tenant_id, id=new_id(), email=address, role=role, invitation=digest or None)
    added = await store.insert(connection, tenant_id, member)
    if added is None:
        raise taken()
    await audit.record(connection, tenant_id, actor, "member.added", added.email, {"role": role})
    return AddedMember(added, code)


async def check_room(
    connection: Connection,
    actor: Actor,
    tenant_id: UUID,
    *,
    role: str,
    caller_scopes: Collection[str],
    issuer: str | None,
) -> None:
    """Check that the tenant has room for another member and the caller may give the role. Raises as ``add`` does."""
    require_scopes(_scopes(role), caller_scopes)
    await daily_changes.admit(connection, actor, tenant_id)
    await _refuse_key_with_end(connection, tenant_id, issuer)
    if await store.count(connection, tenant_id) >= MAX_MEMBERS:
        raise LimitReached(f"A tenant may have {MAX_MEMBERS} members. Remove one first.")


async def _refuse_key_with_end(connection: Connection, tenant_id: UUID, issuer: str | None) -> None:
    """Refuse that a key which expires gives rights which do not expire. Raises ``InsufficientScope``."""
    key = await keys_store.find_key(connection, tenant_id, issuer) if issuer else None
    if key is not None and key.expires_at is not None:
        raise InsufficientScope(
            "A key that expires cannot give rights to members. Log in, or use a key that does not expire."
        )


async def check_address(connection: Connection, tenant_id: UUID, email: str) -> None:
    """Check that no member of the tenant, also no disabled one, has the e-mail address. Raises ``EmailTaken``."""
    if await store.find_by_email(connection, tenant_id, normalise(email)):
        raise taken()


def taken() -> EmailTaken:
    """Return the error for an e-mail address that a member of the tenant already has."""
    return EmailTaken("A member of this tenant already has this e-mail address. Change that member, or use another.")


def _scopes(role: str) -> frozenset[str]:
    if role not in ROLES:
        raise InvalidRequest(f"Choose one of these roles: {', '.join(ROLES)}.")
    return ROLES[role]


async def change(
    connection: Connection,
    actor: Actor,
    tenant_id: UUID,
    member_id: UUID,
    *,
    role: str | None = None,
    is_disabled: bool | None = None,
    caller_scopes: Collection[str] = ALL_SCOPES,
    issuer: str | None = None,
) -> MemberRow:
    """Give a member another role, disable it or enable it again; ``None`` leaves a field as it is.

    Raises ``NotFound``, ``InsufficientScope`` as ``add`` does, also for a member who has more scopes than the caller,
    ``LastOwner``, and ``LimitReached`` after too many changes in one day, unless the call only disables the member.
    """
    # The lock also keeps two calls from taking away each other's last owner.
    await tenancy.lock(connection, tenant_id)
    # Disabling takes rights away, which is never refused.
    if role is not None or not is_disabled:
        await daily_changes.admit(connection, actor, tenant_id)
        await _refuse_key_with_end(connection, tenant_id, issuer)
    # The caller needs the scopes of the old role too. Otherwise it could demote members who have more rights.
    before = await _known(connection, tenant_id, member_id)
    require_scopes(_scopes(before.role) | _scopes(role or before.role), caller_scopes)
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
    connection: Connection,
    actor: Actor,
    tenant_id: UUID,
    member_id: UUID,
    *,
    caller_scopes: Collection[str] = ALL_SCOPES,
) -> None:
    """Remove a member.

    Raises ``NotFound``, ``LastOwner``, and ``InsufficientScope`` for a member with scopes outside ``caller_scopes``.
    """
    await tenancy.lock(connection, tenant_id)
    member = await _known(connection, tenant_id, member_id)
    require_scopes(_scopes(member.role), caller_scopes)
    await _keep_an_owner(connection, tenant_id, member)
    # No daily limit here: taking rights away is never refused.
    await store.delete(connection, tenant_id, member_id)
    await audit.record(connection, tenant_id, actor, "member.removed", member.email)


async def reset(connection: Connection, actor: Actor, tenant_id: UUID, *, email: str, password_hash: str) -> MemberRow:
    """Give the person of a membership another initial password, which ends its tokens and sessions in every tenant.

    For operators alone: a person has one password for all its tenants. Raises ``NotFound``.
    """
    await tenancy.lock(connection, tenant_id)
    member = await find_by_email(connection, tenant_id, email)
    # Somebody else knows an initial password. So the person must replace it before it accepts an invitation.
    await person_store.reset_password_any_tenant(connection, member.email, password_hash)
    await audit.record(connection, tenant_id, actor, "member.password_reset", member.email)
    return member


async def page(connection: Connection, tenant_id: UUID, *, before: UUID, limit: int) -> Sequence[MemberRow]:
    """Return up to ``limit`` members added before the id ``before``, newest first."""
    return await store.page(connection, tenant_id, before=before, limit=limit)


async def find_by_email(connection: Connection, tenant_id: UUID, email: str) -> MemberRow:
    """Return a tenant's member. Raises ``NotFound``."""
    member = await store.find_by_email(connection, tenant_id, normalise(email))
    if member is None:
        raise NotFound("The tenant has no such member. GET /api/members lists its members.")
    return member


async def _known(connection: Connection, tenant_id: UUID, member_id: UUID) -> MemberRow:
    member = await store.find(connection, tenant_id, member_id)
    if member is None:
        raise NotFound("The tenant has no such member. GET /api/members lists its members.")
    return member


async def _keep_an_owner(connection: Connection, tenant_id: UUID, member: MemberRow) -> None:
    # An owner who cannot log in is not lost by this change.
    if member.role != "owner" or member.disabled_at or not member.accepted_at:
        return
    if not await store.has_other_owner(connection, tenant_id, member.id):
        raise LastOwner("This is the last owner who can log in. Make another member an owner first.")


def describe(member: MemberRow) -> dict[str, object]:
    """Return a member as plain data."""
    return {
        "member_id": str(member.id),
        "email": member.email,
        "role": member.role,
        "created_at": member.created_at and member.created_at.isoformat(),
        "disabled_at": member.disabled_at and member.disabled_at.isoformat(),
        "accepted_at": member.accepted_at and member.accepted_at.isoformat(),
    }
