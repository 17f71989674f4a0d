"""A role's database: single statements, and transactions that see only certain tenants' rows. Nothing else commits."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID

from app.core.errors import Unavailable
from app.db.connection import Connection, PooledConnection
from app.db.pool import UNANSWERED, Pool
from app.db.primary import AWAY

# Seconds that a transaction's start may take beyond ``command_timeout``, together with the wait for a connection.
_LENIENCE: Final = 0.4


class Database(Pool):
    """The database as one role and one process use it."""

    @contextlib.asynccontextmanager
    async def statement(self) -> AsyncIterator[Connection]:
        """Borrow a connection for one statement, which is a transaction by itself and sets its tenants itself.

        Raises ``Unavailable`` if the connection is lost: then nobody knows whether the statement took effect.
        """
        try:
            async with self.connection() as connection:
                yield connection
        except AWAY as error:
            raise Unavailable from error

    @contextlib.asynccontextmanager
    async def transaction(self, *tenant_ids: UUID, is_snapshot: bool = False) -> AsyncIterator[Connection]:
        """Open a transaction that sees only these tenants' rows. It commits if the block ends without an error.

        With ``is_snapshot`` it is read-only, and all its statements see the rows of one moment. Raises ``Unavailable``
        if the connection is lost, also in the commit: then nobody knows whether the transaction took effect.
        """
        clock = asyncio.get_running_loop().time
        began = clock()
        async with self.connection() as connection:
            try:
                # The time spent waiting for the connection is subtracted, so that the two waits do not add up.
                left = self.command_timeout + _LENIENCE - (clock() - began)
                await connection.execute(
                    _begin(tenant_ids, is_snapshot=is_snapshot), timeout=min(left, self.command_timeout)
                )
                try:
                    yield connection
                except UNANSWERED:
                    raise
                except BaseException:
                    if not connection.is_closed():
                        await connection.execute("ROLLBACK")
                    raise
                await _commit(connection)
            except AWAY as error:
                # After a timeout the server still owes an answer. ``connection`` waits for it on return.
                if not isinstance(error, TimeoutError):
                    self.drop(connection, error)
                raise Unavailable from error


async def _commit(borrowed: Any) -> None:
    pooled: PooledConnection = borrowed
    await pooled.commit()


def _begin(tenant_ids: tuple[UUID, ...], *, is_snapshot: bool) -> str:
    # Both statements in one message to the server. The ids are UUID objects, so the text contains nothing from callers.
    scope = "{" + ",".join(str(tenant_id) for tenant_id in tenant_ids) + "}"
    mode = " ISOLATION LEVEL REPEATABLE READ READ ONLY" if is_snapshot else ""
    return f"BEGIN{mode}; SELECT set_config('app.tenant_ids', '{scope}', true)"
