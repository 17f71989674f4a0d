"""SQL of members."""

from collections.abc import Sequence
from uuid import UUID

from app.accounts.rows import MemberRow
from app.db import Connection, affected

# All columns except the password hash: code that manages members does not need it.
_COLUMNS = "tenant_id, id, email, role, token_version, created_at, disabled_at"


async def insert(connection: Connection, tenant_id: UUID, member: MemberRow) -> MemberRow | None:
    """Insert a member. Return ``None`` when a member of any tenant has the e-mail address."""
    # Row level security hides the members of other tenants, so only the conflict shows that an address is taken.
    row = await connection.fetchrow(
        "INSERT INTO member (tenant_id, id, email, role, password_hash) VALUES ($1, $2, $3, $4, $5)"  # noqa: S608
        f" ON CONFLICT (email) DO NOTHING RETURNING {_COLUMNS}",
        tenant_id,
        member.id,
        member.email,
        member.role,
        member.password_hash,
    )
    return MemberRow(**row) if row else None


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
        " AND disabled_at IS NULL)",
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


async def set_password(connection: Connection, tenant_id: UUID, member_id: UUID, password_hash: str) -> int | None:
    """Write a new password and raise the version of the member's tokens, which ends them. Return that version."""
    version: int | None = await connection.fetchval(
        "UPDATE member SET password_hash = $3, token_version = token_version + 1"
        " WHERE tenant_id = $1 AND id = $2 AND disabled_at IS NULL RETURNING token_version",
        tenant_id,
        member_id,
        password_hash,
    )
    return version


async def set_hash(
    connection: Connection, tenant_id: UUID, member_id: UUID, password_hash: str, *, version: int
) -> None:
    """Write the same password under newer hash parameters, unless it has changed since ``version`` was read."""
    # A new password raises the version. Without the comparison, a slow login could bring the old password back.
    await connection.execute(
        "UPDATE member SET password_hash = $3 WHERE tenant_id = $1 AND id = $2 AND token_version = $4",
        tenant_id,
        member_id,
        password_hash,
        version,
    )


async def delete(connection: Connection, tenant_id: UUID, member_id: UUID) -> bool:
    """Remove a member. Return ``False`` when it does not exist."""
    tag = await connection.execute("DELETE FROM member WHERE tenant_id = $1 AND id = $2", tenant_id, member_id)
    return affected(tag) == 1
