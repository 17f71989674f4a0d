"""SQL of memberships."""

from collections.abc import Sequence
from uuid import UUID

from app.accounts.rows import MemberRow
from app.db import Connection, affected

# All columns except the digest of the invitation: code that manages members does not need it.
_COLUMNS = "tenant_id, id, email, role, token_version, created_at, disabled_at, accepted_at"


async def enter_any_tenant(connection: Connection, email: str, password_hash: str) -> bool:
    """Store a person with a first password. Return False if the person is known, whose password then stays."""
    is_new: bool = await connection.fetchval("SELECT person_enter($1, $2)", email, password_hash)
    return is_new


async def insert(connection: Connection, tenant_id: UUID, member: MemberRow) -> MemberRow | None:
    """Insert the membership of a person. Return ``None`` when the person has one already.

    It counts as accepted unless it has an invitation.
    """
    row = await connection.fetchrow(
        "INSERT INTO member (tenant_id, id, email, role, invitation, accepted_at)"  # noqa: S608 constants
        " VALUES ($1, $2, $3, $4, $5, CASE WHEN $5::bytea IS NULL THEN now() END)"
        f" ON CONFLICT (email, tenant_id) DO NOTHING RETURNING {_COLUMNS}",
        tenant_id,
        member.id,
        member.email,
        member.role,
        member.invitation,
    )
    return MemberRow(**row) if row else None


async def accept(connection: Connection, tenant_id: UUID, member_id: UUID) -> bool:
    """Let a membership count as accepted. Return False if it does not wait for that any more."""
    tag = await connection.execute(
        "UPDATE member SET accepted_at = now(), invitation = NULL"
        " WHERE tenant_id = $1 AND id = $2 AND accepted_at IS NULL",
        tenant_id,
        member_id,
    )
    return affected(tag) == 1


async def page(connection: Connection, tenant_id: UUID, *, before: UUID, limit: int) -> Sequence[MemberRow]:
    """Return the members added before ``before``, newest first."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM member WHERE tenant_id = $1 AND id < $2"  # noqa: S608 constants
        " ORDER BY id DESC LIMIT $3",
        tenant_id,
        before,
        limit,
    )
    return [MemberRow(**row) for row in rows]


async def find(connection: Connection, tenant_id: UUID, member_id: UUID) -> MemberRow | None:
    """Return a member."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM member WHERE tenant_id = $1 AND id = $2",  # noqa: S608 constants
        tenant_id,
        member_id,
    )
    return MemberRow(**row) if row else None


async def find_by_email(connection: Connection, tenant_id: UUID, email: str) -> MemberRow | None:
    """Return the member of an address in lower case."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM member WHERE tenant_id = $1 AND email = $2",  # noqa: S608 constants
        tenant_id,
        email,
    )
    return MemberRow(**row) if row else None


async def count(connection: Connection, tenant_id: UUID) -> int:
    """Return how many members a tenant has."""
    found: int = await connection.fetchval("SELECT count(*) FROM member WHERE tenant_id = $1", tenant_id)
    return found


async def has_other_owner(connection: Connection, tenant_id: UUID, member_id: UUID) -> bool:
    """Return whether another member is an owner who can log in."""
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM member WHERE tenant_id = $1 AND id <> $2 AND role = 'owner'"
        " AND disabled_at IS NULL AND accepted_at IS NOT NULL)",
        tenant_id,
        member_id,
    )
    return found


async def set_role(connection: Connection, tenant_id: UUID, member_id: UUID, role: str) -> None:
    """Write a member's role."""
    await connection.execute("UPDATE member SET role = $3 WHERE tenant_id = $1 AND id = $2", tenant_id, member_id, role)


async def set_disabled(connection: Connection, tenant_id: UUID, member_id: UUID, *, is_disabled: bool) -> None:
    """Disable a member or enable it again. Tokens from before stay invalid, because their version is old."""
    # A second call keeps the first time, but raises the version again.
    await connection.execute(
        "UPDATE member SET disabled_at = CASE WHEN $3::boolean THEN coalesce(disabled_at, now()) END,"
        " token_version = token_version + $3::boolean::integer WHERE tenant_id = $1 AND id = $2",
        tenant_id,
        member_id,
        is_disabled,
    )


async def delete(connection: Connection, tenant_id: UUID, member_id: UUID) -> bool:
    """Remove a member. Return ``False`` when it does not exist."""
    tag = await connection.execute("DELETE FROM member WHERE tenant_id = $1 AND id = $2", tenant_id, member_id)
    return affected(tag) == 1
