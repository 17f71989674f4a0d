"""Run a command in one transaction, and turn its errors into an exit code and a line on stderr."""

import asyncio
import getpass
import os
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Final, TypeVar

import asyncpg
import typer

from app.admin import stack
from app.audit.log import Actor
from app.core.config import get_settings
from app.core.errors import EmailTaken, NotFound, Problem, Unavailable
from app.core.secrets import SecretsFileError
from app.db import AWAY, Connection, Database, connect, timelines
from app.db.timelines import ServerRefused
from app.tenants import tenancy
from app.tenants.store import TenantRecord
from app.tenants.tenancy import SlugTaken

T = TypeVar("T")

# Exit codes. Typer itself uses 1 for crashes and 2 for wrong usage.
NOT_FOUND: Final = 3
CONFLICT: Final = 4
REFUSED: Final = 5
DATABASE_AWAY: Final = 6


class CommandRefused(Exception):  # noqa: N818 named for the fact
    """The command is not possible now; the message says what to do first."""


def as_admin(work: Callable[[Connection], Awaitable[T]]) -> T:
    """Run ``work`` in one transaction as tq_admin, the role that sees every tenant and writes the audit log."""

    async def run(database: Database) -> T:
        async with database.transaction() as connection:
            return await work(connection)

    return with_database(run)


async def as_admin_in_loop(work: Callable[[Connection], Awaitable[T]]) -> T:
    """Run ``work`` as ``as_admin`` does, where an event loop runs already."""
    database = Database("tq_admin", size=1)
    try:
        async with database.transaction() as connection:
            return await work(connection)
    finally:
        await database.close()


def for_tenant(slug: str, work: Callable[[Connection, TenantRecord], Awaitable[T]]) -> T:
    """Run ``work`` as ``as_admin`` does, with the tenant that has the slug. Raises ``NotFound``."""

    async def run(connection: Connection) -> T:
        return await work(connection, await tenancy.find(connection, slug))

    return as_admin(run)


def with_database(work: Callable[[Database], Awaitable[T]]) -> T:
    """Run ``work`` with a pool of one connection as tq_admin, for commands that need several transactions."""

    async def run() -> T:
        database = Database("tq_admin", size=1)
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())


def as_owner(work: Callable[[Connection], Awaitable[T]]) -> T:
    """Run ``work`` on a connection of the database's owner, without a transaction around it."""

    async def run() -> T:
        # The owner's URL does not come from role_url, which would do this: an old primary must be refused here too.
        timelines.known().keep_in(get_settings().secrets_file.parent)
        connection = await connect(get_settings().database_url)
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(run())


def operator() -> Actor:
    """Return the system user who runs the command."""
    try:
        return Actor("operator", getpass.getuser())
    except (KeyError, OSError):
        # A container may run under a user id without a name.
        return Actor("operator", f"uid {os.getuid()}")


@contextmanager
def exit_codes() -> Generator[None]:
    """Turn an error of a command into a line on stderr and an exit code."""
    try:
        yield
    except Problem as problem:
        _end(_code(problem), _away(problem.__cause__) if isinstance(problem, Unavailable) else problem.detail)
    except (CommandRefused, SecretsFileError) as refused:
        _end(REFUSED, str(refused))
    except (*AWAY, asyncpg.InvalidCatalogNameError) as away:
        _end(DATABASE_AWAY, _away(away))
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidPasswordError):
        _end(REFUSED, "The database refuses the role. Run scripts/admin bootstrap with this SECRETS_FILE.")
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.InsufficientPrivilegeError) as error:
        _end(REFUSED, f"The schema does not fit this version ({error}). Run scripts/admin migrate.")


def _away(error: BaseException | None) -> str:
    if isinstance(error, ServerRefused):
        return f"This Postgres server is refused: {error}"
    if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
        return "Postgres is read-only. Name the primary in DATABASE_URL, or make this server writable."
    return f"The database cannot be reached ({type(error).__name__}). Check DATABASE_URL, and that Postgres runs."


def _code(problem: Problem) -> int:
    # Scripts depend on the exit codes, which docs/commands.md lists.
    codes: dict[type[Problem], int] = {
        NotFound: NOT_FOUND,
        SlugTaken: CONFLICT,
        EmailTaken: CONFLICT,
        Unavailable: DATABASE_AWAY,
    }
    return codes.get(type(problem), REFUSED)


def _end(code: int, line: str) -> None:
    # Most of these errors come from acting on another stack than the one that was meant.
    name = stack.name() if code in {NOT_FOUND, DATABASE_AWAY} else ""
    typer.echo(f"{line} (This was {name}.)" if name else line, err=True)
    sys.exit(code)
