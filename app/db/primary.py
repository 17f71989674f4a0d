"""Connect to the primary: among several hosts the writable one, and never an old primary."""

import logging
import socket
from asyncio import get_running_loop
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import asyncpg

from app.core import logging as logging_of_process
from app.core.log_limiter import LogLimiter
from app.db import timelines
from app.db.timelines import ServerRefused

_log = logging.getLogger(__name__)
_log_limiter = LogLimiter(_log)

# Errors that mean "Postgres is unavailable": the connection has ended, or the server restarts, is full, broken or
# read-only. These are the SQLSTATE classes 08, 25, 53, 57 and 58, and 40 for a deadlock. Other SQL errors are not here.
AWAY: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # Raised by a connection that the server has closed, before asyncpg has noticed that.
    asyncpg.InternalClientError,
    asyncpg.InvalidTransactionStateError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
    # Class 40, a deadlock: nothing was written, and the same statement works a moment later.
    asyncpg.TransactionRollbackError,
)
# Errors of class 25 that come from the server's state. The others mean that our own code uses a transaction wrongly.
_BY_THE_SERVER: Final = ("25006", "25P03", "25P04")

# The name of the current WAL file shows a promotion at once. pg_control_checkpoint() shows it only after a checkpoint.
_PLACE: Final = """
SELECT (SELECT system_identifier FROM pg_control_system()) AS system,
    CASE WHEN NOT pg_is_in_recovery()
    THEN ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint END AS timeline,
    current_setting('transaction_read_only') = 'on' AS is_read_only
"""


class Place(NamedTuple):
    """The identity and the timeline of a server."""

    system: int
    """The system identifier, which is the same on a primary and its standbys."""
    timeline: int | None
    """None on a standby."""
    is_read_only: bool


async def place(connection: "asyncpg.Connection[Any]", timeout: float = 5) -> Place | None:  # noqa: ASYNC109 asyncpg's own name
    """Return the place of a server, in one round trip; None if it does not tell (some managed services).

    Raises the errors of ``AWAY``.
    """
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
    """Raise ``ServerRefused`` for a standby or an old primary, and among several hosts for a read-only server."""
    found = await place(connection, timeout)
    if found is None:
        return
    if found.timeline is None:
        raise ServerRefused("this Postgres is a standby: name the primary in DATABASE_URL, or promote this one")
    timelines.known().see(found.system, found.timeline)
    # A single host is accepted although it is read-only: reads work, and a write says why it fails.
    if found.is_read_only and is_one_of_several:
        raise ServerRefused("this Postgres is read-only (default_transaction_read_only)")


def process_name() -> str:
    """Return how pg_stat_activity names this process: its service and its host."""
    # Postgres keeps 63 characters.
    return f"{logging_of_process.JsonLine.service}@{socket.gethostname()}"[:63]


def split(url: str) -> list[str]:
    """Return a URL for each host of ``user@host1:port1,host2:port2``."""
    parsed = urlsplit(url)
    user, at, hosts = parsed.netloc.rpartition("@")
    return [parsed._replace(netloc=f"{user}{at}{host}").geturl() for host in hosts.split(",")]


# The last known primary for each list of hosts. It is tried first, so that a host that is down costs time only once.
_last: dict[str, str] = {}


async def connect(url: str, *, timeout: float = 60, **options: Any) -> "asyncpg.Connection[Any]":  # noqa: ASYNC109 asyncpg's own name
    """Connect to the first host that is an up-to-date primary and, if there are several hosts, writable.

    ``timeout`` is in seconds and for all hosts together: each host gets an equal part of the time that is left. Raises
    the errors of ``AWAY``.
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
    # A refusal says more than "cannot connect", so it is the error that the caller sees.
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
    # What the URL says comes first: operators may name their processes as they like.
    if "application_name=" not in url:
        options["server_settings"] = {**(options.get("server_settings") or {}), "application_name": process_name()}
    connection: asyncpg.Connection[Any] = await asyncpg.connect(url, timeout=timeout, **options)
    try:
        await check(connection, timeout, is_one_of_several=is_one_of_several)
    except BaseException:
        connection.terminate()
        raise
    return connection


def is_lost(error: BaseException) -> bool:
    """Return whether a connection that raised this error should be closed: a new one may reach a server that works."""
    if isinstance(error, asyncpg.QueryCanceledError | asyncpg.InterfaceError | asyncpg.TransactionRollbackError):
        # A statement that took too long, a deadlock, or a wrong call of ours: the connection itself still works.
        return False
    return isinstance(error, AWAY)


def is_misuse(error: BaseException) -> bool:
    """Return whether an error of ``AWAY`` is our own fault: our code used a transaction wrongly."""
    return isinstance(error, asyncpg.InvalidTransactionStateError) and error.sqlstate not in _BY_THE_SERVER
