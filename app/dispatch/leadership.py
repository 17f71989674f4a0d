"""Of several dispatchers one leads: who holds the advisory lock, on the connection that does the work."""

import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Final

from app.db import Connection, connect, role_url
from app.dispatch.contact import Contact

_log = logging.getLogger(__name__)

_LOCK: Final = 7_466_001


@contextlib.asynccontextmanager
async def lead(contact: Contact) -> AsyncIterator["Connection | None"]:
    """Yield the leader's own connection, or None when another process leads.

    The server ends the connection, and with it the lead, when nothing is heard for 4 s: a stopped leader is
    followed within that time, and what it sends later goes nowhere. Raises ``db.AWAY`` when Postgres is away.
    """
    connection = await connect(role_url("tq_dispatch"))
    try:
        await connection.execute("SET idle_session_timeout = '4s'")
        row = await connection.fetchrow("SELECT pg_try_advisory_lock($1) AS leads, now() AS now", _LOCK)
        assert row is not None  # noqa: S101 a SELECT without FROM has one row
        contact.answered(row["now"])
        yield connection if row["leads"] else None
    finally:
        await connection.close(timeout=2)
