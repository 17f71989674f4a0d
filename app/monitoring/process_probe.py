"""Ask Postgres whether a process of this host is alive: it refreshes its row only while its loop goes round."""

import asyncio
import socket
from typing import Final, Literal, TypeAlias

import asyncpg

from app.core.errors import Unavailable
from app.db import Database
from app.processes import store
from app.processes.heartbeat import STALE

Kind: TypeAlias = Literal["worker", "http", "dispatcher", "webhooks", "operator"]

# The probe connects with the role of the process itself, so that it needs no other password.
_ROLES: Final[dict[Kind, str]] = {
    "worker": "tq_worker",
    "http": "tq_http",
    "dispatcher": "tq_worker",
    "webhooks": "tq_webhook",
    "operator": "tq_admin",
}
# Seconds for the whole probe.
_TIMEOUT: Final = 5.0


async def probe(kind: Kind, pid: int | None) -> tuple[bool, str]:
    """Return whether a process of this host is alive, with a line about it. ``pid`` ``None`` means any of the kind."""
    # By host: a health check restarts its own container, and must not judge by a process of another one.
    host = socket.gethostname()
    name = f"{kind} on {host}" + (f" with pid {pid}" if pid else "")
    database = Database(_ROLES[kind], size=1, command_timeout=_TIMEOUT)
    try:
        async with asyncio.timeout(_TIMEOUT), database.statement() as connection:
            age = await store.age_any_tenant(connection, kind, host, pid)
    except (Unavailable, TimeoutError) as error:
        return (
            False,
            f"{name}: not known, because Postgres is away ({type(error.__cause__ or error).__name__})",
        )
    except asyncpg.PostgresError as error:
        return False, f"{name}: not known, because Postgres answers with {type(error).__name__}: {error}"
    finally:
        await database.close()
    if age is None:
        return False, f"{name}: no heartbeat found. Start it, or look at its log"
    return age < STALE, f"{name}: last heartbeat {age:.1f} s ago"
