"""The login roles. They belong to the whole cluster, so that several databases may be set up at the same time."""

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
# What these ask has an index. A plan that is made while a table (or a new month's partition) is empty would read all of
# it, and be kept while it grows, until the statistics are next taken.
_BY_INDEX: Final = (*_ANSWERING, "tq_worker", "tq_webhook", "tq_dispatch")
# What these ask is looked up by a key. The dispatcher also joins all that is due.
_BY_KEY: Final = (*_ANSWERING, "tq_worker", "tq_webhook")
# These call functions of arrays: the plan that those settings leave is right for any of them, and to make it anew costs
# more than to run it. The others' questions differ (a list from a cursor on), and keep Postgres's own judgement.
_CALLING: Final = ("tq_submit", "tq_worker")
_KEPT: Final = "plan_cache_mode = force_generic_plan"
# Those that write; a role that cannot make one has nothing to open.
_LARGE_OBJECT_FUNCTIONS: Final = """
SELECT p.oid::regprocedure::text FROM pg_proc p
WHERE p.pronamespace = 'pg_catalog'::regnamespace
  AND p.proname IN ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_open', 'lo_put', 'lowrite', 'lo_import')
"""
# These read lists, whose order is that of an index. A plan that was made for a few rows may read and sort all of them,
# also where a list asks for the first ones only.
_LISTING: Final = ("tq_api", "tq_account")
# Just above the 1.5 s for which an api process waits for a statement (app/main.py), and below the time after which it
# gives the place of an unanswered connection away (app/db/pool.py): no process has more backends than its pool has
# places.
_TIMED: Final = "statement_timeout = '2s'"
_TRIES: Final = 50
_RACES: Final = (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError)


async def ensure(owner: Connection, passwords: Mapping[str, str]) -> None:
    """Create the roles, or make them what they must be, and let them into this database."""
    database = await owner.fetchval("SELECT quote_ident(current_database())")
    for role, password in passwords.items():
        await _ensure_role(owner, role, password)
        await _execute(owner, f"GRANT CONNECT ON DATABASE {database} TO {role}")
        # Kept for this database alone: two databases that are set up at once do not write the same row.
        for setting in _settings(role):
            await _execute(owner, f"ALTER ROLE {role} IN DATABASE {database} SET {setting}")
    await _execute(owner, "REVOKE ALL ON SCHEMA public FROM public")
    # Whoever may make temporary tables can put one in the way of a function of the owner's.
    await _execute(owner, f"REVOKE ALL ON DATABASE {database} FROM public")
    await _revoke_large_objects(owner)


async def _revoke_large_objects(owner: Connection) -> None:
    """Keep the roles from filling the disk with objects of no table, where the owner may: as a superuser."""
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
        settings.append("enable_sort = off")
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
        # Where another bootstrap makes it at this moment, it makes it the same.
        with suppress(*_RACES):
            await owner.execute(f"CREATE ROLE {role} {_ATTRIBUTES}")
    elif not is_right:
        # Only where it is needed: an owner who is no superuser may not even name these attributes.
        await _execute(owner, f"ALTER ROLE {role} {_ATTRIBUTES}")
    await _execute(owner, f"ALTER ROLE {role} PASSWORD '{_verifier(password)}'")


def _verifier(password: str) -> str:
    # The server keeps just this of a SCRAM-SHA-256 password; made here, the password is in no log of the server's.
    salt, rounds = os.urandom(16), 4096
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    text = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${rounds}:{text[0]}${text[1]}:{text[2]}"


async def _execute(owner: Connection, statement: str) -> None:
    # A lock would hold in one database only, and the rows of roles are shared by all: so it is tried again.
    for left in reversed(range(_TRIES)):
        try:
            await owner.execute(statement)
        except (*_RACES, asyncpg.InternalServerError) as race:
            is_race = isinstance(race, _RACES) or "concurrently" in str(race)
            if not is_race or not left:
                raise
            await asyncio.sleep(random.uniform(0.005, 0.05))  # noqa: S311 no secret
        else:
            return
