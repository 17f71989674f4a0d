"""One connection: prepare it, reset it, commit on it, and check whether it can be used again."""

import asyncio
import json
from typing import Any, Final, TypeAlias

import asyncpg

from app.core.config import get_driver_settings
from app.db import array_types, primary

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

CONNECT_TIMEOUT: Final = 1.5
"""Seconds for all hosts of a URL together."""


class PooledConnection(asyncpg.Connection):
    """A connection that never cancels a commit.

    If a commit that waits for a synchronous standby is cancelled, it ends at once: everybody sees its rows, but no
    standby has them. A statement outside a transaction commits too. So neither is cancelled, and the server ends it.
    """

    # True while COMMIT runs: by then asyncpg may still report an open transaction.
    _is_committing = False

    async def commit(self) -> None:
        """End the transaction."""
        self._is_committing = True
        try:
            await self.execute("COMMIT")
        finally:
            self._is_committing = False

    # asyncpg calls this method for a statement whose caller has gone or timed out. It then waits for ``sent``, and for
    # the answer of the server.
    def _cancel_current_command(self, sent: "asyncio.Future[None]", answered: Any = None) -> None:
        if self.is_in_transaction() and not self._is_committing:
            super()._cancel_current_command(sent, answered)  # type: ignore[misc]  # the stubs leave it out
        else:
            sent.set_result(None)


async def connect(url: str) -> Connection:
    """Open a connection outside any pool; jsonb values are plain Python objects. Raises the errors of ``AWAY``."""
    cache = get_driver_settings().database_statement_cache
    connection: Connection = await primary.connect(url, timeout=CONNECT_TIMEOUT, statement_cache_size=cache)
    await prepare(connection)
    return connection


async def prepare(connection: Connection) -> None:
    """Prepare a new connection: jsonb values as plain Python objects, and the array types."""
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads, format="text")
    # Only after the codec: setting one makes a connection forget the types that it knows.
    array_types.register(connection)


async def reset(connection: Connection) -> None:
    """Roll back a transaction that the borrower has left open."""
    # asyncpg's own reset would cost a round trip for each release. Our code leaves nothing else behind.
    if connection.is_in_transaction():
        await connection.execute("ROLLBACK")


def is_at_rest(borrowed: Any) -> bool:
    """Return whether a borrowed connection is open and outside any transaction."""
    try:
        return not borrowed.is_closed() and not borrowed.is_in_transaction()
    except asyncpg.InterfaceError:
        # The connection was closed, and the pool has taken it back.
        return False


def affected(tag: Any) -> int:
    """Return how many rows a command changed, from its tag (``UPDATE 3``)."""
    return int(str(tag).rpartition(" ")[2])
