"""Connecting to the primary: of several hosts the one that may be written to, and never an old primary."""

import logging
from asyncio import get_running_loop
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import asyncpg

from app.core.log_limiter import LogLimiter
from app.db import timelines
from app.db.timelines import ServerRefused

_log = logging.getLogger(__name__)
_log_limiter = LogLimiter(_log)

# What an ended connection, a server that restarts, is full, broken or read-only raises: SQLSTATE classes 08, 25, 53, 57
# and 58, and 40 for a deadlock. Other errors of SQL are not among them.
AWAY: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # What a connection raises whose end was read and not yet noticed.
    asyncpg.InternalClientError,
    asyncpg.InvalidTransactionStateError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
    # Class 40, a deadlock: nothing was written, and the same statement works a moment later.
    asyncpg.TransactionRollbackError,
)
# Of class 25, what a server does to us. The others say that our own code uses a transaction wrongly.
_BY_THE_SERVER: Final = ("25006", "25P03", "25P04")

# The name of the current WAL file is exact at once after a promotion; pg_control_checkpoint() lags by a checkpoint.
_PLACE: Final = """
SELECT (SELECT system_identifier FROM pg_control_system()) AS system,
    CASE WHEN NOT pg_is_in_recovery()
    THEN ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint END AS timeline,
    current_setting('transaction_read_only') = 'on' AS is_read_only
"""


class Place(NamedTuple):
    """The identity and timeline of a server."""

    system: int
    """Its system identifier: the same on a primary and its standbys."""
    timeline: int | None
    """None on a standby."""
    is_read_only: bool


async def place(connection: "asyncpg.Connection[Any]", timeout: float = 5) -> Place | None:  # noqa: ASYNC109 asyncpg's own name
    """Return where a server stands, in one round trip; None where it does not tell (some managed services)."""
    try:
        row = await connection.fetchrow(_PLACE, timeout=timeout)
    except AWAY:
        raise
    except asyncpg.PostgresError as error:
        reason = f"{type(error).__name__}: {error}"
        _log_limiter.warn(
            "this Postgres does not tell its timeline: an old primary would not be noticed", reason=reason
        )
        return None
    assert row is not None  # noqa: S101 a SELECT without FROM has one row
    return Place(*row)


async def check(
    connection: "asyncpg.Connection[Any]",
    timeout: float,  # noqa: ASYNC109 asyncpg's own name
    *,
    is_one_of_several: bool = False,
) -> None:
    """Raise ``ServerRefused`` for a standby or an old primary, and where there are others, for a read-only server."""
    found = await place(connection, timeout)
    if found is None:
        return
    if found.timeline is None:
        raise ServerRefused("this Postgres is a standby: name the primary in DATABASE_URL, or promote this one")
    timelines.known().see(found.system, found.timeline)
    if found.is_read_only and is_one_of_several:
        raise ServerRefused("this Postgres is read-only (default_transaction_read_only)")


def split(url: str) -> list[str]:
    """Return a URL for each host of ``user@host1:port1,host2:port2``."""
    parsed = urlsplit(url)
    user, at, hosts = parsed.netloc.rpartition("@")
    return [parsed._replace(netloc=f"{user}{at}{host}").geturl() for host in hosts.split(",")]


# The host that was the primary last, by the hosts it is one of: an absent first host costs time only once.
_last: dict[str, str] = {}


async def connect(url: str, *, timeout: float = 60, **options: Any) -> "asyncpg.Connection[Any]":  # noqa: ASYNC109 asyncpg's own name
    """Connect to the first host that is a primary, up to date and, among several, writable; raises ``AWAY``.

    ``timeout`` is in seconds and for all hosts together: each gets an equal share of what is left.
    """
    urls = split(url)
    hosts = urlsplit(url).netloc.rpartition("@")[2]
    urls.sort(key=lambda one: one.rpartition("@")[2] != _last.get(hosts))
    clock, errors = get_running_loop().time, list[Exception]()
    deadline = clock() + timeout
    for index, one in enumerate(urls):
        try:
            share = (deadline - clock()) / (len(urls) - index)
            connection = await _connect_one(one, timeout=share, is_one_of_several=len(urls) > 1, **options)
        except AWAY as error:
            errors.append(error)
        else:
            _last[hosts] = one.rpartition("@")[2]
            return connection
    refused = [one for one in errors if isinstance(one, ServerRefused)]
    for refusal in refused:
        _log_limiter.log(logging.ERROR, "Postgres is refused", reason=str(refusal))
    raise (refused or errors)[-1]


async def _connect_one(
    url: str,
    *,
    timeout: float,  # noqa: ASYNC109 asyncpg's own name
    is_one_of_several: bool,
    **options: Any,
) -> "asyncpg.Connection[Any]":
    connection: asyncpg.Connection[Any] = await asyncpg.connect(url, timeout=timeout, **options)
    try:
        await check(connection, timeout, is_one_of_several=is_one_of_several)
    except BaseException:
        connection.terminate()
        raise
    return connection


def is_lost(error: BaseException) -> bool:
    """Tell whether a connection that raised this is of no more use: another one may reach a server that works."""
    if isinstance(error, asyncpg.QueryCanceledError | asyncpg.InterfaceError | asyncpg.TransactionRollbackError):
        # A statement that took too long, a deadlock, or a wrong call of ours: the connection is as good as before.
        return False
    return isinstance(error, AWAY)


def is_misuse(error: BaseException) -> bool:
    """Tell whether an error of ``AWAY`` is our own fault: a transaction that is used wrongly."""
    return isinstance(error, asyncpg.InvalidTransactionStateError) and error.sqlstate not in _BY_THE_SERVER
