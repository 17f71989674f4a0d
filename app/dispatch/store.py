"""SQL of the lease: the one row of ``dispatcher_lease`` says which dispatcher leads."""

from datetime import datetime, timedelta
from uuid import UUID

from app.db import Connection, affected

# $1: the new token; $2: how long the lease lasts; $3: the holder's host and pid, for people who look at the table. The
# application_name is added to it, because one host may run several dispatchers.
_TAKE = """
WITH taken AS (
    -- Only an expired lease is taken. Of two dispatchers the second one waits for the row lock, then finds it renewed.
    UPDATE dispatcher_lease SET token = $1, expires_at = now() + $2::interval,
        holder = concat_ws(' ', $3::text, nullif(current_setting('application_name'), ''))
    -- A lease that ends later than any can is a dead leader's, from before the clock was set back. A living leader
    -- renews its lease within a second.
    WHERE expires_at < now() OR expires_at > now() + 2 * $2::interval RETURNING token
)
SELECT EXISTS (SELECT FROM taken) AS leads, now() AS now
"""


async def take_lease_any_tenant(
    connection: Connection, token: UUID, *, seconds: float, holder: str
) -> "tuple[bool, datetime]":
    """Take the lease for ``seconds`` if it has expired; return whether it was taken, and the database's time."""
    row = await connection.fetchrow(_TAKE, token, timedelta(seconds=seconds), holder)
    assert row is not None  # noqa: S101 a SELECT without FROM has one row
    return row["leads"], row["now"]


async def renew_lease_any_tenant(connection: Connection, token: UUID, *, seconds: float) -> bool:
    """Extend the lease to ``seconds`` from now; return False if another dispatcher has taken it."""
    done = await connection.execute(
        "UPDATE dispatcher_lease SET expires_at = now() + $2::interval WHERE token = $1",
        token,
        timedelta(seconds=seconds),
    )
    return affected(done) > 0


async def release_lease_any_tenant(connection: Connection, token: UUID) -> None:
    """End the lease now, so that another dispatcher can lead at once. Do nothing if another one has it."""
    await connection.execute("UPDATE dispatcher_lease SET expires_at = now() WHERE token = $1", token)
