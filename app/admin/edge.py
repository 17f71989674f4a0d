"""The edge of the commands: one command is one transaction, and every error is an exit code and a line."""

import asyncio
import getpass
import os
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Final, TypeVar

import asyncpg
import typer

from app.audit.store import Actor
from app.core.config import get_settings
from app.core.errors import EmailTaken, NotFound, Problem, Unavailable
from app.core.secrets import SecretsFileError
from app.db import AWAY, Connection, Database, connect, timelines
from app.db.timelines import ServerRefused
from app.tenants.tenancy import SlugTaken

T = TypeVar("T")

NOT_FOUND: Final = 3
CONFLICT: Final = 4
REFUSED: Final = 5
DATABASE_AWAY: Final = 6


class Refused(Exception):  # noqa: N818 named for the fact
    """The command cannot be done as things are; the message says what to do first."""


def as_admin(work: Callable[[Connection], Awaitable[T]]) -> T:
    """Do the work in one transaction of the role that sees every tenant and is audited."""

    async def run() -> T:
        database = Database("tq_admin", size=1)
        try:
            async with database.transaction() as connection:
                return await work(connection)
        finally:
            await database.close()

    return asyncio.run(run())


def as_owner(work: Callable[[Connection], Awaitable[T]]) -> T:
    """Do the work on a connection of the owner's, each statement on its own."""

    async def run() -> T:
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
        # A container may run under a number that has no name.
        return Actor("operator", f"uid {os.getuid()}")


@contextmanager
def exit_codes() -> Generator[None]:
    """Turn what a command raises into a line on stderr and the exit code of its kind."""
    try:
        yield
    except Problem as problem:
        _end(_code(problem), _away(problem.__cause__) if isinstance(problem, Unavailable) else problem.detail)
    except (Refused, SecretsFileError) as refused:
        _end(REFUSED, str(refused))
    except (*AWAY, asyncpg.InvalidCatalogNameError) as away:
        _end(DATABASE_AWAY, _away(away))
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidPasswordError):
        _end(REFUSED, "The database refuses the role: run scripts/admin bootstrap with this SECRETS_FILE.")
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.InsufficientPrivilegeError) as error:
        _end(REFUSED, f"The schema is not the one of this version ({error}): run scripts/admin migrate.")


def _away(error: BaseException | None) -> str:
    if isinstance(error, ServerRefused):
        return f"Postgres is refused: {error}"
    if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
        return "Postgres is read-only: name the primary in DATABASE_URL, or make this one writable."
    return f"The database cannot be reached ({type(error).__name__}): see DATABASE_URL."


def _code(problem: Problem) -> int:
    codes: dict[type[Problem], int] = {
        NotFound: NOT_FOUND,
        SlugTaken: CONFLICT,
        EmailTaken: CONFLICT,
        Unavailable: DATABASE_AWAY,
    }
    return codes.get(type(problem), REFUSED)


def _end(code: int, line: str) -> None:
    typer.echo(line, err=True)
    sys.exit(code)
