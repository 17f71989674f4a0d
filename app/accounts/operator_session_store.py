"""SQL of the sessions of operators, for the role tq_admin. They belong to no tenant."""

from typing import Final
from uuid import UUID

import asyncpg

from app.db import Connection

_FIND: Final = "SELECT id, operator FROM operator_session WHERE digest = $1 AND expires_at > now()"
_LOOK: Final = "SELECT operator FROM operator_link WHERE digest = $1 AND expires_at > now()"
# Of two browsers that use a link at the same time, one finds it deleted.
_TAKE: Final = "DELETE FROM operator_link WHERE digest = $1 AND expires_at > now() RETURNING operator"
_PRUNE: Final = "DELETE FROM operator_session WHERE expires_at <= now()"
_PRUNE_LINKS: Final = "DELETE FROM operator_link WHERE expires_at <= now()"


async def insert_link_any_tenant(
    connection: Connection, link_id: UUID, digest: bytes, operator: str, *, seconds: int
) -> None:
    """Store a link that is valid for so many seconds, and delete those that have expired."""
    # Here and not in the dispatcher: no role but tq_admin has a right to these tables.
    await connection.execute(_PRUNE_LINKS)
    await connection.execute(
        "INSERT INTO operator_link (id, digest, operator, expires_at)"
        " VALUES ($1, $2, $3, now() + make_interval(secs => $4))",
        link_id, digest, operator, seconds,
    )  # fmt: skip


async def operator_of_link_any_tenant(connection: Connection, digest: bytes) -> str | None:
    """Return the operator of a link that is valid now."""
    operator: str | None = await connection.fetchval(_LOOK, digest)
    return operator


async def take_link_any_tenant(connection: Connection, digest: bytes) -> str | None:
    """Use a link up, and return its operator; None if somebody else has used it."""
    operator: str | None = await connection.fetchval(_TAKE, digest)
    return operator


async def insert_session_any_tenant(
    connection: Connection, session_id: UUID, digest: bytes, operator: str, *, seconds: int
) -> None:
    """Begin a session for so many seconds, and delete those that have expired."""
    await connection.execute(_PRUNE)
    await connection.execute(
        "INSERT INTO operator_session (id, digest, operator, expires_at)"
        " VALUES ($1, $2, $3, now() + make_interval(secs => $4))",
        session_id, digest, operator, seconds,
    )  # fmt: skip


async def find_session_any_tenant(connection: Connection, digest: bytes) -> asyncpg.Record | None:
    """Return the id and the operator of a session that is valid now."""
    return await connection.fetchrow(_FIND, digest)


async def delete_session_any_tenant(connection: Connection, session_id: UUID) -> None:
    """End a session."""
    await connection.execute("DELETE FROM operator_session WHERE id = $1", session_id)


async def delete_all_any_tenant(connection: Connection) -> int:
    """End every session and delete every link. Return the number of sessions that were valid."""
    # The unused links too: one of them would begin a new session after all were ended.
    await connection.execute("DELETE FROM operator_link")
    ended = await connection.fetch("DELETE FROM operator_session RETURNING expires_at > now() AS was_valid")
    return sum(row["was_valid"] for row in ended)
