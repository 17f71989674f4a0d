"""A role's database: statements, and transactions that see certain tenants' rows alone. Nothing else commits."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID

from app.core.errors import Unavailable
from app.db.connection import Connection, PooledConnection
from app.db.pool import UNANSWERED, Pool
from app.db.primary import AWAY

_LENIENCE: Final = 0.4


class Database(Pool):
    """One role's database, as one process uses it."""

    @contextlib.asynccontextmanager
    async def statement(self) -> AsyncIterator[Connection]:
        """Borrow a connection for one statement that is a transaction of its own, and names its tenants itself.

        Raises ``Unavailable`` when the connection is lost: then the outcome is unknown.
        """
        try:
            async with self.connection() as connection:
                yield connection
        except AWAY as error:
            raise Unavailable from error

    @contextlib.asynccontextmanager
    async def transaction(self, *tenant_ids: UUID, is_snapshot: bool = False) -> AsyncIterator[Connection]:
        """Open a transaction that sees these tenants' rows only; it commits when the block ends well.

        With ``is_snapshot`` it only reads, and all its statements see the rows of one moment.
        Raises ``Unavailable`` when the connection is lost, also in the commit: then the outcome is unknown.
        """
        clock = asyncio.get_running_loop().time
        began = clock()
        async with self.connection() as connection:
            try:
                # The time that the connection took is taken off: the two waits do not add up.
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
                # A connection whose answer is still owed is waited for when it is given back.
                if not isinstance(error, TimeoutError):
                    self.drop(connection, error)
                raise Unavailable from error


async def _commit(borrowed: Any) -> None:
    pooled: PooledConnection = borrowed
    await pooled.commit()


def _begin(tenant_ids: tuple[UUID, ...], *, is_snapshot: bool) -> str:
    # One message to the server for both statements. The ids are UUID objects, so nothing of a caller's text is in it.
    scope = "{" + ",".join(str(tenant_id) for tenant_id in tenant_ids) + "}"
    mode = " ISOLATION LEVEL REPEATABLE READ READ ONLY" if is_snapshot else ""
    return f"BEGIN{mode}; SELECT set_config('app.tenant_ids', '{scope}', true)"
