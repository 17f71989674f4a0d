"""A database made ready: its secrets file, its roles, its schema."""

import time
from pathlib import Path
from typing import Final

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from app.admin import edge, keks, roles, store
from app.core import secrets
from app.core.config import get_settings
from app.core.secrets import Secrets, SecretsFileError
from app.db import Connection
from app.tasks import partitions

_CONFIG: Final = Path(__file__).resolve().parents[2] / "alembic.ini"
_BUSY_ATTEMPTS: Final = 40


async def bootstrap(owner: Connection) -> bool:
    """Make the secrets file where it is missing, or complete it, and the roles; says whether the file is new."""
    path = get_settings().secrets_file
    is_new = not path.exists()
    if is_new and await store.has_tenant_any_tenant(owner):
        message = (
            f"SECRETS_FILE {path} is missing, but the database has tenants whose keys and secrets only that file can"
            " read. Restore it from a backup; a new one would lock every tenant out."
        )
        raise edge.Refused(message)
    known = _create(path) if is_new else secrets.complete(path)
    if missing := await keks.unknown(owner, known):
        message = (
            f"SECRETS_FILE {path} lacks the keys {', '.join(missing)}, under which tenants' secrets are sealed."
            " Restore it from a backup."
        )
        raise edge.Refused(message)
    await roles.ensure(owner, known.role_passwords)
    return is_new


def _create(path: Path) -> Secrets:
    try:
        return secrets.create(path)
    except FileExistsError:
        # Another bootstrap was first, and may still be writing.
        for _ in range(20):
            try:
                return secrets.load(path)
            except SecretsFileError:
                time.sleep(0.05)
        return secrets.load(path)


def migrate() -> None:
    """Bring the schema to the newest revision; several at once wait for one another (migrations/env.py)."""
    try:
        command.upgrade(_config(), "head")
    except CommandError as error:
        raise edge.Refused(str(error)) from None


async def keep_months(owner: Connection) -> None:
    """Make the months that are missing, and move the rows that came before their month into it."""
    try:
        await partitions.keep_any_tenant(owner, attempts=_BUSY_ATTEMPTS)
    except asyncpg.LockNotAvailableError:
        message = "The schema is the newest, but a table is in use (by a backup?): run scripts/admin migrate again."
        raise edge.Refused(message) from None


def head() -> str | None:
    """Return the revision that this code was written for."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    return Config(str(_CONFIG))
