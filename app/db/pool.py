"""The connections of one role in one process: lent to callers, and closed when nobody needs them."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from typing import Any, Final, NamedTuple, cast
from weakref import WeakSet

import asyncpg

from app.core.config import get_driver_settings, get_settings
from app.core.errors import Unavailable
from app.db import connection as connections
from app.db import primary, timelines
from app.db.connection import Connection, PooledConnection
from app.db.primary import AWAY
from app.db.starvation import Starvation
from app.db.urls import role_url

_log = logging.getLogger(__name__)

# Seconds to wait for a connection: below the 2 s in which a request is answered with 503.
_ACQUIRE_TIMEOUT: Final = 1.5
# Seconds after which an idle connection is closed, except for the one that is kept. An idle connection costs the server
# up to 9 MB, and opening a new one takes about 8 ms.
_MAX_IDLE: Final = 15.0
# A version that no ``Timelines`` has: the next borrower then expires all connections.
_TO_BE_EXPIRED: Final = -1
UNANSWERED: Final = (TimeoutError, asyncio.CancelledError)
"""Errors of a statement whose caller stopped waiting for the server's answer."""
# Seconds to wait for the answer of a statement for which no caller waits any more. A living server has ended the
# statement by then: the statement_timeout of the roles (app/admin/roles.py) is shorter.
_ANSWER_TIMEOUT: Final = 3.0


class Usage(NamedTuple):
    """The connections of a role in this process."""

    open: int = 0
    idle: int = 0
    """Those of the open ones that nobody uses."""
    max: int = 0
    waiting: int = 0
    """Callers that wait for one."""


_pools: "Final[WeakSet[Pool]]" = WeakSet()


def usage() -> dict[str, Usage]:
    """Return the connections of each role in this process. Any thread may call it."""
    found: dict[str, Usage] = {}
    for one in list(_pools):
        found[one.role] = Usage(*map(sum, zip(found.get(one.role, Usage()), one.usage(), strict=True)))
    return found


class Pool:
    """The pool of one role in one process. It connects when it is first used."""

    def __init__(
        self, role: str, *, size: int | None = None, url: str | None = None, command_timeout: float = 30
    ) -> None:
        """``size`` bounds the connections (default: the setting). ``url`` replaces the role's URL.

        If a statement takes longer than ``command_timeout`` seconds, Postgres counts as unavailable.
        """
        self.role: Final = role
        self._url = url or role_url(role)
        self.command_timeout = command_timeout
        self._size = size or get_settings().database_pool_size
        self._starvation = Starvation(role, self._size)
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._opening = asyncio.Lock()
        # One connection is handed from each borrower to the next, past asyncpg's pool. That pool creates an asyncio
        # task for every acquire and release, which is a third of the cost of a short statement.
        self._kept: Any = None
        self._waiting = 0
        self._is_closing = False
        self._timelines = timelines.known()
        self._checked = self._timelines.version
        # References, because an asyncio task that nothing refers to may be garbage-collected before it ends.
        self._unanswered: set[asyncio.Task[None]] = set()
        _pools.add(self)

    def usage(self) -> Usage:
        """Return how many connections are open, and how many are not used."""
        pool = self._pool
        if pool is None:
            return Usage(max=self._size, waiting=self._waiting)
        # The kept connection is idle, though asyncpg's pool counts it as lent.
        idle = pool.get_idle_size() + (self._kept is not None)
        return Usage(pool.get_size(), idle, self._size, self._waiting)

    async def _open(self) -> "asyncpg.Pool[asyncpg.Record]":
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._url,
                    min_size=0,
                    max_size=self._size,
                    timeout=connections.CONNECT_TIMEOUT,
                    command_timeout=self.command_timeout,
                    statement_cache_size=get_driver_settings().database_statement_cache,
                    max_inactive_connection_lifetime=_MAX_IDLE,
                    connect=cast("Any", primary.connect),  # its stub wants asyncpg's own parameters, one by one
                    init=connections.prepare,
                    reset=connections.reset,
                    connection_class=PooledConnection,
                )
        return self._pool

    async def close(self) -> None:
        """Close every connection. Connections in use may finish for 5 s."""
        if self._pool is None:
            return
        self._is_closing = True
        try:
            async with asyncio.timeout(5):
                kept, self._kept = self._kept, None
                if kept is not None:
                    await self._release(kept)
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Borrow a connection outside any transaction. Raises ``Unavailable`` if none is free within 1.5 s."""
        borrowed = await self._borrow()
        is_whole = is_unanswered = False
        try:
            yield borrowed
            is_whole = True
        except (*UNANSWERED, Unavailable):
            is_unanswered = True
            raise
        except AWAY as error:
            self.drop(borrowed, error)
            raise
        finally:
            if is_whole and self._may_keep(borrowed):
                self._kept = borrowed
            elif is_unanswered:
                # The server has not answered yet, and the caller does not wait for it. A separate asyncio task does.
                task = asyncio.create_task(self._release_answered(borrowed), name="unanswered")
                self._unanswered.add(task)
                task.add_done_callback(self._unanswered.discard)
            else:
                await self._release(borrowed)

    async def expire(self) -> None:
        """Replace every connection before its next use, because it may lead to an old primary."""
        self._checked = self._timelines.version
        if self._pool is not None:
            await self._pool.expire_connections()
        kept, self._kept = self._kept, None
        if kept is not None:
            await self._release(kept)

    def drop(self, borrowed: Any, error: BaseException) -> None:
        """Close a connection that has raised ``error``, if a new connection may reach a server that works."""
        if primary.is_misuse(error):
            _log.error("a transaction was used wrongly", exc_info=error)
        if primary.is_lost(error):
            with contextlib.suppress(asyncpg.InterfaceError):  # it is closed already, and the pool has taken it back
                borrowed.terminate()
        # A read-only server was probably demoted. The other connections lead to it too.
        if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
            self._checked = _TO_BE_EXPIRED

    async def _borrow(self) -> Any:
        if self._checked != self._timelines.version:
            await self.expire()
        kept, self._kept = self._kept, None
        if kept is not None:
            if connections.is_at_rest(kept):
                return kept
            await self._release(kept)
        self._waiting += 1
        began = time.monotonic()
        try:
            pool = self._pool or await self._open()
            return await pool.acquire(timeout=_ACQUIRE_TIMEOUT)
        except AWAY as error:
            raise Unavailable from error
        finally:
            self._waiting -= 1
            self._starvation.waited(time.monotonic() - began)

    def _may_keep(self, borrowed: Any) -> bool:
        # If somebody waits, the connection goes back to the pool, which hands it on.
        return self._kept is None and not self._waiting and not self._is_closing and connections.is_at_rest(borrowed)

    async def _release(self, borrowed: Any) -> None:
        assert self._pool is not None  # noqa: S101 it was borrowed from it
        await self._pool.release(borrowed)

    async def _release_answered(self, borrowed: Any) -> None:
        """Return a connection to the pool only when the server has answered, or after 3 s.

        Otherwise the server could have more busy backends than the pool has connections.
        """
        is_answered = False
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT):
                # asyncpg sends this statement only when the last one is answered. Only then is it known whether there
                # is a transaction to roll back.
                with contextlib.suppress(asyncpg.InFailedSQLTransactionError):
                    await borrowed.execute("SELECT", timeout=_ANSWER_TIMEOUT)
                await connections.reset(borrowed)
            is_answered = True
        except (*AWAY, asyncpg.PostgresError):
            pass
        finally:
            if not is_answered:
                with contextlib.suppress(asyncpg.InterfaceError):
                    borrowed.terminate()
            await self._release(borrowed)
