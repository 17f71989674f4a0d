"""SQL of the console's sessions and of portal links."""

from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from app.db import Connection, affected

# The newest sessions of a member or key that stay when another one begins.
_KEPT: Final = 19

_TRIM: Final = f"""
DELETE FROM console_session WHERE tenant_id = $1 AND id IN (
    SELECT id FROM console_session
    WHERE tenant_id = $1 AND (member_id = $2 OR key_id = $3) ORDER BY id DESC OFFSET {_KEPT}
)
"""  # noqa: S608 constants


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """A session that begins, of a member, a key or an operator. A member has its own role, so ``role`` is None."""

    id: UUID
    digest: bytes = field(repr=False)
    member_id: UUID | None = None
    key_id: str | None = None
    operator: str | None = None
    role: str | None = None
    label: str | None = None
    return_url: str | None = None
    tenant_version: int
    member_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRow:
    """A portal link. One of ``key_id`` and ``operator`` is set."""

    id: UUID
    digest: bytes = field(repr=False)
    key_id: str | None = None
    operator: str | None = None
    role: str
    label: str | None = None
    theme: str | None = None
    return_url: str | None = None
    session_seconds: int
    """Seconds that its session lasts."""


async def insert_session(connection: Connection, tenant_id: UUID, row: SessionRow, *, seconds: int) -> None:
    """Begin a session for so many seconds. The oldest ones of the same member or key end if there are too many."""
    # A person who signs in again and again must not fill the table, and is never refused for old sessions.
    await connection.execute(_TRIM, tenant_id, row.member_id, row.key_id)
    await connection.execute(
        "INSERT INTO console_session (tenant_id, id, digest, member_id, key_id, operator, role, label, tenant_version,"
        " member_version, return_url, expires_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now() + make_interval(secs => $12))",
        tenant_id, row.id, row.digest, row.member_id, row.key_id, row.operator, row.role, row.label,
        row.tenant_version, row.member_version, row.return_url, seconds,
    )  # fmt: skip


async def delete_session(connection: Connection, tenant_id: UUID, session_id: UUID) -> None:
    """End a session."""
    await connection.execute("DELETE FROM console_session WHERE tenant_id = $1 AND id = $2", tenant_id, session_id)


async def insert_link(connection: Connection, tenant_id: UUID, row: LinkRow, *, seconds: int) -> None:
    """Store a portal link that is valid for so many seconds."""
    await connection.execute(
        "INSERT INTO portal_link (tenant_id, id, digest, key_id, operator, role, label, theme, return_url,"
        " session_seconds, expires_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now() + make_interval(secs => $11))",
        tenant_id, row.id, row.digest, row.key_id, row.operator, row.role, row.label, row.theme, row.return_url,
        row.session_seconds, seconds,
    )  # fmt: skip


async def take_link(connection: Connection, tenant_id: UUID, link_id: UUID) -> bool:
    """Use a portal link up. Return False if somebody else has."""
    # One statement checks the time and deletes: of two browsers with the same link, one gets a session.
    tag = await connection.execute(
        "DELETE FROM portal_link WHERE tenant_id = $1 AND id = $2 AND expires_at > now()", tenant_id, link_id
    )
    return affected(tag) == 1
