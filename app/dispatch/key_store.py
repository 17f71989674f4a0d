"""SQL of API keys that expire soon."""

from datetime import timedelta
from uuid import UUID

from app.db import Connection


async def tell_expiring_any_tenant(connection: Connection, ahead: timedelta, limit: int, fence: UUID) -> int:
    """Write the event of up to ``limit`` keys that end within ``ahead``; return how many (SQL function keys_expiring).

    ``fence`` is the token of the dispatcher's lease. Without the lease nothing changes.
    """
    told: int | None = await connection.fetchval(
        "SELECT keys_expiring(p_ahead => $1, p_limit => $2) WHERE (SELECT dispatcher_leads(p_token => $3))",
        ahead,
        limit,
        fence,
    )
    return told or 0
