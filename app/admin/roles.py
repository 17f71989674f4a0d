"""Create the login roles and their settings.

Roles belong to the whole cluster, and several of its databases may be set up at the same time: a statement that
collides is repeated.
"""

import asyncio
import base64
import hashlib
import hmac
import os
import random
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import asyncpg

from app.db import Connection

_ATTRIBUTES: Final = "LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE"
_ANSWERING: Final = ("tq_api", "tq_submit", "tq_auth", "tq_account")
# Every query of these roles has an index, or reads the whole of a small table. A plan that was made while a table (or a
# new month's partition) is empty would scan it, and would stay in use while the table grows, until ANALYZE runs next.
_BY_INDEX: Final = (*_ANSWERING, "tq_worker", "tq_http", "tq_webhook", "tq_dispatch", "tq_admin")
# These roles look rows up by key, so that nested loops are right. The dispatcher also joins all due rows.
_BY_KEY: Final = (*_ANSWERING, "tq_worker", "tq_http", "tq_webhook")
# These roles call functions with arrays. One generic plan is right for all arguments, and planning again costs more
# than the call. The queries of the other roles vary (a list starts at a cursor), so Postgres chooses their plans.
_CALLING: Final = ("tq_submit", "tq_worker", "tq_http")
_KEPT: Final = "plan_cache_mode = force_generic_plan"
# The functions that create large objects. A role that cannot create one has none to open.
_LARGE_OBJECT_FUNCTIONS: Final = """
SELECT p.oid::regprocedure::text FROM pg_proc p
WHERE p.pronamespace = 'pg_catalog'::regnamespace
  AND p.proname IN ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_open', 'lo_put', 'lowrite', 'lo_import')
"""
# These roles need the first rows in the order of an index. A plan that was made for a few rows may read and sort all
# rows, or all that begin with the same tenant.
_LISTING: Final = ("tq_api", "tq_account", "tq_webhook")
# Longer than the 1.5 s for which an api process waits for a statement (app/main.py), and shorter than the time after
# which it replaces an unanswered connection (app/db/pool.py). So a process never has more backends than its pool has
# places.
_TIMED: Final = "statement_timeout = '2s'"
_MAX_ATTEMPTS: Final = 50
# Errors of two statements that change the same role at the same time.
_RACES: Final = (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError)


async def ensure(owner: Connection, passwords: Mapping[str, str]) -> None:
    """Create the roles, or correct their attributes, and allow them to connect to this database."""
    database = await owner.fetchval("SELECT quote_ident(current_database())")
    for role, password in passwords.items():
        await _ensure_role(owner, role, password)
        await _execute(owner, f"GRANT CONNECT ON DATABASE {database} TO {role}")
        # Settings for this database only, so that two databases that are set up at once do not write the same row.
        for setting in _settings(role):
            await _execute(owner, f"ALTER ROLE {role} IN DATABASE {database} SET {setting}")
    await _execute(owner, "REVOKE ALL ON SCHEMA public FROM public")
    # A role that may create temporary tables could hide a table from a function of the owner.
    await _execute(owner, f"REVOKE ALL ON DATABASE {database} FROM public")
    await _revoke_large_objects(owner)


async def _revoke_large_objects(owner: Connection) -> None:
    """Forbid the roles to create large objects, which could fill the disk. Skipped when the owner is no superuser."""
    if not await owner.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
        return
    for name in await owner.fetch(_LARGE_OBJECT_FUNCTIONS):
        await _execute(owner, f"REVOKE EXECUTE ON FUNCTION {name[0]} FROM public")


def _settings(role: str) -> list[str]:
    settings = ["jit = off", "idle_in_transaction_session_timeout = '30s'"]
    if role in _BY_INDEX:
        settings.append("enable_seqscan = off")
    if role in _BY_KEY:
        settings += ("enable_hashjoin = off", "enable_mergejoin = off")
    if role in _LISTING:
        settings += ("enable_sort = off", "enable_incremental_sort = off")
    if role in _CALLING:
        settings.append(_KEPT)
    return [*settings, _TIMED] if role in _ANSWERING else settings


async def _ensure_role(owner: Connection, role: str, password: str) -> None:
    is_right = await owner.fetchval(
        "SELECT rolcanlogin AND NOT (rolsuper OR rolbypassrls OR rolcreatedb OR rolcreaterole)"
        " FROM pg_roles WHERE rolname = $1",
        role,
    )
    if is_right is None:
        # Another bootstrap may create the same role at this moment, with the same attributes.
        with suppress(*_RACES):
            await owner.execute(f"CREATE ROLE {role} {_ATTRIBUTES}")
    elif not is_right:
        # Only when it is needed, because an owner who is not a superuser may not name these attributes at all.
        await _execute(owner, f"ALTER ROLE {role} {_ATTRIBUTES}")
    await _execute(owner, f"ALTER ROLE {role} PASSWORD '{_verifier(password)}'")


def _verifier(password: str) -> str:
    # The server stores only this for a SCRAM-SHA-256 password. Computing it here keeps the password out of its logs.
    salt, rounds = os.urandom(16), 4096
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    text = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${rounds}:{text[0]}${text[1]}:{text[2]}"


async def _execute(owner: Connection, statement: str) -> None:
    # An advisory lock works within one database, but roles are shared by all databases. So the statement is repeated.
    for left in reversed(range(_MAX_ATTEMPTS)):
        try:
            await owner.execute(statement)
        except (*_RACES, asyncpg.InternalServerError) as race:
            is_race = isinstance(race, _RACES) or "concurrently" in str(race)
            if not is_race or not left:
                raise
            await asyncio.sleep(random.uniform(0.005, 0.05))  # noqa: S311 no secret
        else:
            return
