"""SQL of the event log. Events are written by the functions that end tasks, in the same statement."""

from datetime import timedelta
from uuid import UUID

from app.db import Connection


async def drop_days_any_tenant(connection: Connection, kept: timedelta, fence: UUID) -> int:
    """Drop the days of events older than ``kept`` (migrations/functions: drop_event_days); return how many.

    ``fence`` is the token of the dispatcher's lease.
    """
    dropped: int | None = await connection.fetchval(
        "SELECT drop_event_days(p_before => now() - $1::interval) WHERE (SELECT dispatcher_leads(p_token => $2))",
        kept,
        fence,
    )
    return dropped or 0
