"""The database as each role sees it: pools, and transactions scoped to tenants. Nothing else commits."""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator
from typing import Any, Final, TypeAlias, cast
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import UUID

import asyncpg

from app.core import array_types, primary, timelines
from app.core.config import Settings, get_driver_settings, get_settings
from app.core.errors import Unavailable
from app.core.secrets import SecretsFileError, get_secrets
from app.core.starvation import Starvation

_log = logging.getLogger(__name__)

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_CONNECT_TIMEOUT: Final = 1.5
_ACQUIRE_TIMEOUT: Final = 1.5
_LENIENCE: Final = 0.4
# Seconds. A connection that nobody borrows for so long is closed, but for the one that is kept: it costs the server
# up to 9 MB, and to connect anew takes some 8 ms.
_UNUSED: Final = 15.0
AWAY: Final = primary.AWAY
"""What an ended connection, a server that restarts, is full or read-only, or an old primary raises."""
_TO_BE_EXPIRED: Final = -1
_UNANSWERED: Final = (TimeoutError, asyncio.CancelledError)
# Seconds after which the place of a statement that nobody waits for comes back unanswered. By then a server that lives
# has ended it: the statement_timeout of the answering roles (app/admin/roles.py) is shorter.
_ANSWER_TIMEOUT: Final = 3.0


def role_url(role: str, settings: Settings | None = None) -> str:
    """Return the URL by which a role logs in: ``DATABASE_URL_<ROLE>``, else the owner's with the role's password."""
    settings = settings or get_settings()
    timelines.known().keep_in(settings.secrets_file.parent)
    named: str | None = getattr(settings, f"database_url_{role}", None)
    if named:
        return named
    url = urlsplit(settings.database_url)
    host = url.netloc.rpartition("@")[2]
    password = get_secrets().role_passwords.get(role)
    if password is None:
        message = f"SECRETS_FILE has no password for the role {role}: run scripts/admin bootstrap, then migrate"
        raise SecretsFileError(message)
    netloc = f"{role}:{quote(password)}@{host}"
    return urlunsplit(url._replace(netloc=netloc))


async def connect(url: str) -> Connection:
    """Open one connection of its own, as the poolless parts need it; jsonb is plain Python on both sides."""
    cache = get_driver_settings().database_statement_cache
    connection: Connection = await primary.connect(url, timeout=_CONNECT_TIMEOUT, statement_cache_size=cache)
    await _prepare(connection)
    return connection


class _PooledConnection(asyncpg.Connection):
    """A connection that never cancels a commit.

    A commit that waits for a synchronous standby ends at once when it is cancelled: everybody sees what it wrote, and
    no standby has it. A statement outside a transaction commits too. Neither is cancelled: the server ends it alone.
    """

    _is_committing = False

    async def commit(self) -> None:
        """End the transaction."""
        self._is_committing = True
        try:
            await self.execute("COMMIT")
        finally:
            self._is_committing = False

    # asyncpg calls it for a statement whose caller has gone or has timed out. It then waits for ``sent``, and for the
    # answer of the server.
    def _cancel_current_command(self, sent: "asyncio.Future[None]", answered: Any = None) -> None:
        if self.is_in_transaction() and not self._is_committing:
            super()._cancel_current_command(sent, answered)  # type: ignore[misc]  # the stubs leave it out
        else:
            sent.set_result(None)


async def _prepare(connection: Connection) -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads, format="text")
    # After it: a codec that is set lets a connection forget the types it knew.
    array_types.register(connection)


async def _reset(connection: Connection) -> None:
    # asyncpg's own reset is a round trip for each release; ours leave nothing behind but an unfinished transaction.
    if connection.is_in_transaction():
        await connection.execute("ROLLBACK")


class Database:
    """One role's pool in one process; it connects when it is first used."""

    def __init__(
        self, role: str, *, size: int | None = None, url: str | None = None, command_timeout: float = 30
    ) -> None:
        """``size`` bounds the connections (default: the setting); ``url`` names another server than the settings.

        A statement that takes longer than ``command_timeout`` seconds means that Postgres is away.
        """
        self._url = url or role_url(role)
        self._command_timeout = command_timeout
        self._size = size or get_settings().database_pool_size
        self._starvation = Starvation(role, self._size)
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._opening = asyncio.Lock()
        # One connection is handed from each borrower to the next. The pool's own way makes a task of every acquire and
        # of every release: a third of what a short statement costs its caller.
        self._kept: Any = None
        self._waiting = 0
        self._is_closing = False
        self._timelines = timelines.known()
        self._checked = self._timelines.version
        # A task that nothing refers to may be collected before it ends.
        self._unanswered: set[asyncio.Task[None]] = set()

    async def _open(self) -> "asyncpg.Pool[asyncpg.Record]":
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._url,
                    min_size=0,
                    max_size=self._size,
                    timeout=_CONNECT_TIMEOUT,
                    command_timeout=self._command_timeout,
                    statement_cache_size=get_driver_settings().database_statement_cache,
                    max_inactive_connection_lifetime=_UNUSED,
                    connect=cast("Any", primary.connect),  # its stub wants asyncpg's own parameters, one by one
                    init=_prepare,
                    reset=_reset,
                    connection_class=_PooledConnection,
                )
        return self._pool

    async def close(self) -> None:
        """Close every connection; those in use get 5 s."""
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
        """Borrow a connection outside of any transaction; raises ``Unavailable`` when there is none in 1.5 s."""
        borrowed = await self._borrow()
        is_whole = is_unanswered = False
        try:
            yield borrowed
            is_whole = True
        except (*_UNANSWERED, Unavailable):
            is_unanswered = True
            raise
        except AWAY as error:
            self._drop(borrowed, error)
            raise
        finally:
            if is_whole and self._may_keep(borrowed):
                self._kept = borrowed
            elif is_unanswered:
                # The server may still owe an answer, for which the caller does not wait.
                task = asyncio.create_task(self._release_answered(borrowed), name="unanswered")
                self._unanswered.add(task)
                task.add_done_callback(self._unanswered.discard)
            else:
                await self._release(borrowed)

    async def expire(self) -> None:
        """Let every connection be made again before it is next used: it may lead to an old primary."""
        self._checked = self._timelines.version
        if self._pool is not None:
            await self._pool.expire_connections()
        kept, self._kept = self._kept, None
        if kept is not None:
            await self._release(kept)

    def _drop(self, borrowed: Any, error: BaseException) -> None:
        # So that the next connection finds a server that works: after a failover, the new primary.
        if primary.is_misuse(error):
            _log.error("a transaction was used wrongly", exc_info=error)
        if primary.is_lost(error):
            with contextlib.suppress(asyncpg.InterfaceError):  # it has ended, and the pool has taken it back
                borrowed.terminate()
        if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
            self._checked = _TO_BE_EXPIRED

    async def _borrow(self) -> Any:
        if self._checked != self._timelines.version:
            await self.expire()
        kept, self._kept = self._kept, None
        if kept is not None:
            if _is_at_rest(kept):
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
        # Who waits is served by the pool.
        return self._kept is None and not self._waiting and not self._is_closing and _is_at_rest(borrowed)

    async def _release(self, borrowed: Any) -> None:
        assert self._pool is not None  # noqa: S101 it was borrowed from it
        await self._pool.release(borrowed)

    async def _release_answered(self, borrowed: Any) -> None:
        """Keep the place in the pool until the server has answered: else its backends could outnumber the pool."""
        is_answered = False
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT):
                # asyncpg sends nothing before the last statement is answered. Only then it is known what to roll back.
                with contextlib.suppress(asyncpg.InFailedSQLTransactionError):
                    await borrowed.execute("SELECT", timeout=_ANSWER_TIMEOUT)
                await _reset(borrowed)
            is_answered = True
        except (*AWAY, asyncpg.PostgresError):
            pass
        finally:
            if not is_answered:
                with contextlib.suppress(asyncpg.InterfaceError):
                    borrowed.terminate()
            await self._release(borrowed)

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
                # The waits for a connection and for its answer do not add up.
                left = self._command_timeout + _LENIENCE - (clock() - began)
                await connection.execute(
                    _begin(tenant_ids, is_snapshot=is_snapshot), timeout=min(left, self._command_timeout)
                )
                try:
                    yield connection
                except _UNANSWERED:
                    raise
                except BaseException:
                    if not connection.is_closed():
                        await connection.execute("ROLLBACK")
                    raise
                await _commit(connection)
            except AWAY as error:
                # One that has not answered yet is waited for when it is given back.
                if not isinstance(error, TimeoutError):
                    self._drop(connection, error)
                raise Unavailable from error


async def _commit(borrowed: Any) -> None:
    pooled: _PooledConnection = borrowed
    await pooled.commit()


def _is_at_rest(borrowed: Any) -> bool:
    try:
        return not borrowed.is_closed() and not borrowed.is_in_transaction()
    except asyncpg.InterfaceError:
        # It has ended, and the pool has taken it back.
        return False


def _begin(tenant_ids: tuple[UUID, ...], *, is_snapshot: bool) -> str:
    # One message for both. The ids are UUID objects, so nothing of a caller's text is in it.
    scope = "{" + ",".join(str(tenant_id) for tenant_id in tenant_ids) + "}"
    mode = " ISOLATION LEVEL REPEATABLE READ READ ONLY" if is_snapshot else ""
    return f"BEGIN{mode}; SELECT set_config('app.tenant_ids', '{scope}', true)"


def affected(tag: Any) -> int:
    """Return how many rows a command changed, from its tag (``UPDATE 3``)."""
    return int(str(tag).rpartition(" ")[2])
