"""SQL of the lease: one row that says which dispatcher leads."""

from datetime import datetime, timedelta
from uuid import UUID

from app.db import Connection, affected

# The holder is for people. The application_name is added, because one host may run several dispatchers.
_TAKE = """
WITH taken AS (
    UPDATE dispatcher_lease SET token = $1, expires_at = now() + $2::interval,
        holder = concat_ws(' ', $3::text, nullif(current_setting('application_name'), ''))
    WHERE expires_at < now() RETURNING token
)
SELECT EXISTS (SELECT FROM taken) AS leads, now() AS now
"""


async def take_lease_any_tenant(
    connection: Connection, token: UUID, *, seconds: float, holder: str
) -> "tuple[bool, datetime]":
    """Take the lease if it has expired; return whether this dispatcher leads now, and the database's time."""
    row = await connection.fetchrow(_TAKE, token, timedelta(seconds=seconds), holder)
    assert row is not None  # noqa: S101 a SELECT without FROM has one row
    return row["leads"], row["now"]


async def renew_lease_any_tenant(connection: Connection, token: UUID, *, seconds: float) -> bool:
    """Extend the lease to ``seconds`` from now; return False when another dispatcher has taken it."""
    done = await connection.execute(
        "UPDATE dispatcher_lease SET expires_at = now() + $2::interval WHERE token = $1",
        token,
        timedelta(seconds=seconds),
    )
    return affected(done) > 0


async def release_lease_any_tenant(connection: Connection, token: UUID) -> None:
    """Let the lease end now, so that another dispatcher can lead at once."""
    await connection.execute("UPDATE dispatcher_lease SET expires_at = now() WHERE token = $1", token)
