"""Whether one process turns, asked of Postgres: its row is refreshed only while it does."""

import asyncio
import socket
from typing import Final, Literal, TypeAlias

import asyncpg

from app.core.errors import Unavailable
from app.db import Database
from app.processes import store
from app.processes.heartbeat import STALE

Kind: TypeAlias = Literal["worker", "dispatcher", "webhooks"]

# Each asks as the role by which the process itself works.
_ROLES: Final[dict[Kind, str]] = {"worker": "tq_worker", "dispatcher": "tq_worker", "webhooks": "tq_webhook"}
_TIMEOUT: Final = 5.0


async def probe(kind: Kind, pid: int | None) -> tuple[bool, str]:
    """Tell whether a process of this host turns (any of the kind, or the one of a pid), and say it in a line."""
    host = socket.gethostname()
    name = f"{kind} on {host}" + (f" with pid {pid}" if pid else "")
    database = Database(_ROLES[kind], size=1, command_timeout=_TIMEOUT)
    try:
        async with asyncio.timeout(_TIMEOUT), database.statement() as connection:
            age = await store.age_any_tenant(connection, kind, host, pid)
    except (Unavailable, TimeoutError) as error:
        return False, f"{name}: not known, Postgres is away ({type(error.__cause__ or error).__name__})"
    except asyncpg.PostgresError as error:
        return False, f"{name}: not known, Postgres answers with {type(error).__name__}: {error}"
    finally:
        await database.close()
    if age is None:
        return False, f"{name}: has not said that it lives"
    return age < STALE, f"{name}: turned {age:.1f} s ago"
