"""Check settings, clocks, connections, files, and whether other hosts have the same secrets file."""

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncpg
from dotenv import dotenv_values

from app.broker.ring import PREFORK
from app.core import secrets, suggestions
from app.core.config import Settings
from app.core.secrets import SecretsFileError
from app.db.primary import AWAY
from app.db.urls import role_url

# Tokens and signatures of webhooks are valid for minutes, and ids tell the month: a second is no harm, some are a sign.
_MAX_SKEW: Final = 2.0
# The share of the server's connections from which the next process that starts may get none.
_MAX_SHARE: Final = 0.9
_TIMEOUT: Final = 3.0
_OPEN: Final = 0o077

# Postgres shows backend_type of other roles' sessions to superusers only, and the owner need not be one.
_CONNECTIONS: Final = """
SELECT count(*) AS used, current_setting('max_connections')::integer
    - current_setting('superuser_reserved_connections')::integer AS room
FROM pg_stat_activity WHERE datid IS NOT NULL AND usesysid IS NOT NULL AND leader_pid IS NULL
"""
# What each process may open. An api writes no heartbeat, so only its hosts can be counted, by the names of connections.
_WORKERS: Final = "SELECT pool, slots FROM worker WHERE heartbeat_at > now() - interval '15 s'"
_OTHERS: Final = "SELECT kind FROM process_heartbeat WHERE heartbeat_at > now() - interval '15 s'"
_APIS: Final = "SELECT count(DISTINCT application_name) FROM pg_stat_activity WHERE application_name LIKE 'api@%'"
# docs/scaling.md has the same numbers. A dispatcher opens two more for operations.
_DISPATCHER: Final = 5
_ASYNCIO_WORKER: Final = 4
_OPERATOR: Final = 7
_OF_A_WORKER: Final = 2
_OF_AN_API: Final = 5
# The file of the operator's pages is another one, with fewer keys.
_PROCESSES: Final = """
SELECT kind, hostname, pid, details->>'secrets' AS secrets FROM process_heartbeat
WHERE heartbeat_at > now() - interval '15 s' AND details ? 'secrets' AND kind <> 'operator' ORDER BY kind, hostname, pid
"""


@dataclass
class Checkup:
    """The findings of a check: fields to show, and a line for each fault."""

    shown: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def check_settings(file: Path = Path(".env"), environment: Mapping[str, str] = os.environ) -> Checkup:
    """Find variables that nothing reads, because their name is almost that of a setting."""
    # Settings ignore unknown variables, since the environment has many others. So a typing error would go unnoticed.
    known = [name.upper() for name in Settings.model_fields]
    named = {*environment, *dotenv_values(file)}
    meant = {name: suggestions.closest(name, known) for name in sorted(named - {*known}) if "_" in name}
    faults = [f"{name} is no setting. Did you mean {one}?" for name, one in meant.items() if one and one not in named]
    return Checkup({"settings": faults or "no fault found"}, faults)


def check_files(secrets_file: Path, worker_file: Path) -> Checkup:
    """Check that the secrets files can be read, by their owner alone, and agree with each other."""
    try:
        whole = secrets.load(secrets_file)
    except SecretsFileError as error:
        return Checkup({"secrets_file": str(secrets_file)}, [str(error)])
    opened = [path for path in (secrets_file, worker_file) if _is_open(path)]
    faults = [f"{path} can be read by others: chmod 600 {path}" for path in opened]
    if worker_file.exists() and _password_of_worker(worker_file) != whole.role_passwords.get("tq_worker"):
        faults.append(f"{worker_file} does not fit {secrets_file}: run scripts/admin bootstrap, and copy both")
    return Checkup({"secrets_file": str(secrets_file), "secrets": secrets.fingerprint(whole)}, faults)


def _is_open(path: Path) -> bool:
    return path.exists() and bool(path.stat().st_mode & _OPEN)


def _password_of_worker(path: Path) -> str | None:
    try:
        return secrets.load(path).role_passwords.get("tq_worker")
    except SecretsFileError:
        return None


async def check_database(url: str, own: str | None, pool_size: int) -> Checkup:
    """Check the clock, the connections, the passwords of the roles, and the secrets files of other processes.

    ``url`` is the owner's, of the primary; ``own`` the fingerprint of this host's secrets file,
    ``pool_size`` its DATABASE_POOL_SIZE.
    """
    found = Checkup()
    connection = await asyncpg.connect(url, timeout=_TIMEOUT)
    try:
        _add_clock(found, await _skew(connection))
        room: Any = await connection.fetchrow(_CONNECTIONS)
        _add_connections(found, room)
        rows = await connection.fetch(_WORKERS), await connection.fetch(_OTHERS)
        apis = await connection.fetchval(_APIS)
        found.shown["connections_bound"] = bound(*rows, apis=apis, pool_size=pool_size, room=room["room"])
        _add_secrets(found, await connection.fetch(_PROCESSES), own)
    finally:
        await connection.close(timeout=_TIMEOUT)
    for role in secrets.ROLES if own else ():
        if fault := await _login_fault(role):
            found.faults.append(fault)
    return found


def bound(workers: Iterable[Any], others: Iterable[Any], *, apis: int, pool_size: int, room: int) -> str:
    """Return how many connections the processes that are alive may open together, and how many apis have room."""
    by_kind = {"dispatcher": _DISPATCHER, "webhooks": pool_size, "operator": _OPERATOR}
    most = sum(by_kind[one["kind"]] for one in others) + sum(
        _OF_A_WORKER + one["slots"] if one["pool"] == PREFORK else _ASYNCIO_WORKER for one in workers
    )
    # Its five roles, and the connection of the readiness probe.
    api = _OF_AN_API * pool_size + 1
    fit = max(0, room - most) // api
    return (
        f"at most {most + apis * api} of {room}: {api} for the api on each of {apis} hosts, {most} for all others;"
        f" there is room for {fit} apis"
    )


async def _skew(connection: Any) -> float:
    started = time.time()
    theirs = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
    # Half of the round trip lies before the answer was made.
    return float(theirs) - (started + time.time()) / 2


def _add_clock(found: Checkup, skew: float) -> None:
    found.shown["clock_skew_seconds"] = round(skew, 3)
    if abs(skew) > _MAX_SKEW:
        found.faults.append(f"the clock of this host is {abs(skew):.1f} s from that of Postgres: set it by NTP")


def _add_connections(found: Checkup, row: Any) -> None:
    found.shown["connections"] = f"{row['used']} of {row['room']}"
    if row["used"] > _MAX_SHARE * row["room"]:
        found.faults.append(f"{row['used']} of {row['room']} connections of Postgres are used: raise max_connections")


def _add_secrets(found: Checkup, processes: Iterable[Any], own: str | None) -> None:
    for one in processes:
        if own and one["secrets"] != own:
            found.faults.append(
                f"{one['kind']} on {one['hostname']} (pid {one['pid']}) has another secrets file than this host:"
                " copy the newer one to the other host"
            )


async def _login_fault(role: str) -> str | None:
    try:
        # A real login: roles belong to the cluster, and a bootstrap with another file may have changed the passwords.
        connection = await asyncpg.connect(role_url(role), timeout=_TIMEOUT)
    except (asyncpg.InvalidAuthorizationSpecificationError, SecretsFileError):
        return f"{role} cannot log in with the password of the secrets file: run scripts/admin bootstrap"
    except (*AWAY, asyncpg.PostgresError) as error:
        return f"{role} cannot connect ({type(error).__name__})"
    await connection.close(timeout=_TIMEOUT)
    return None
