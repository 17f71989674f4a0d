"""Set up a database: its secrets file, its login roles and its schema."""

import time
from pathlib import Path
from typing import Final

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from app.admin import cli_runtime, roles, store
from app.core import secrets
from app.core.config import get_settings
from app.core.secrets import Secrets, SecretsFileError
from app.db import Connection
from app.tasks import partitions
from app.tenants import kek_rotation

_CONFIG: Final = Path(__file__).resolve().parents[2] / "alembic.ini"
# A table may be locked for a moment by a running backup or a long query.
_MAX_ATTEMPTS_WHILE_BUSY: Final = 40


async def bootstrap(owner: Connection) -> bool:
    """Create the roles and the secrets file, and return whether the file is new. Raises ``CommandRefused``."""
    path = get_settings().secrets_file
    is_new = not path.exists()
    if is_new and await store.has_tenant_any_tenant(owner):
        message = (
            f"SECRETS_FILE {path} is missing, but the database has tenants whose keys and secrets only that file can"
            " read. Restore it from a backup. A new file would lock out every tenant."
        )
        raise cli_runtime.CommandRefused(message)
    known = _create(path) if is_new else secrets.complete(path)
    # A file of another installation would be found out only later, when a webhook cannot be signed.
    if missing := await kek_rotation.missing_keks(owner, known):
        message = (
            f"SECRETS_FILE {path} lacks the keys {', '.join(missing)}, under which tenants' secrets are sealed."
            " Restore it from a backup."
        )
        raise cli_runtime.CommandRefused(message)
    # A file of its own, so that no process which strangers reach has the password of tq_admin (decision 23).
    operators = secrets.complete_for_operators(get_settings().admin_secrets_file or secrets.admin_path(path))
    await roles.ensure(owner, known.role_passwords | operators.role_passwords)
    # Workers run the operator's code, which can read all that the process can: their file has no keys (decision 22).
    secrets.write_for_workers(known, get_settings().worker_secrets_file or secrets.worker_path(path))
    return is_new


def _create(path: Path) -> Secrets:
    try:
        return secrets.create(path)
    except FileExistsError:
        # Another bootstrap created it first, and may still be writing.
        for _ in range(20):
            try:
                return secrets.load(path)
            except SecretsFileError:
                time.sleep(0.05)
        return secrets.load(path)


def migrate() -> None:
    """Bring the schema to the newest revision. Concurrent calls wait for one another (migrations/env.py)."""
    try:
        command.upgrade(_config(), "head")
    except CommandError as error:
        raise cli_runtime.CommandRefused(str(error)) from None


async def keep_months(owner: Connection) -> None:
    """Create missing monthly partitions, and move rows into theirs. Raises ``CommandRefused`` if a table is in use."""
    try:
        await partitions.keep_any_tenant(owner, attempts=_MAX_ATTEMPTS_WHILE_BUSY)
    except asyncpg.LockNotAvailableError:
        message = "The schema is current, but a table is in use (by a backup?). Run scripts/admin migrate again."
        raise cli_runtime.CommandRefused(message) from None


def head() -> str | None:
    """Return the revision of the schema that this code expects."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    return Config(str(_CONFIG))
