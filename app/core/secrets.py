"""The secrets file: what must never be in the database, and without which its rows are worthless."""

import base64
import json
import os
import secrets
from functools import cache
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from app.core.config import get_settings

ROLES: Final = ("tq_api", "tq_submit", "tq_worker", "tq_dispatch", "tq_webhook", "tq_auth", "tq_admin")
"""The login roles of the database, one for each kind of work (docs/operations.md)."""


class SecretsFileError(RuntimeError):
    """The secrets file is missing or unusable; the message says what to do."""


class Secrets(BaseModel):
    """The file's content. Keys are base64 of 32 random bytes."""

    model_config = ConfigDict(frozen=True)

    pepper_id: str
    peppers: dict[str, str]
    """By id: the HMAC key under which API keys are stored; ``pepper_id`` names the one for new keys."""
    kek_id: str
    keks: dict[str, str]
    """By id: the key-encryption keys of tenants' secrets; ``kek_id`` names the one for new secrets."""
    role_passwords: dict[str, str]

    def pepper(self, pepper_id: str) -> bytes:
        """Return a pepper; raises ``KeyError`` for an unknown id."""
        return base64.b64decode(self.peppers[pepper_id])

    def kek(self, kek_id: str) -> bytes:
        """Return a key-encryption key; raises ``KeyError`` for an unknown id."""
        return base64.b64decode(self.keks[kek_id])


def _random_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def create(path: Path) -> Secrets:
    """Write a new secrets file, readable by its owner alone; an existing one is never overwritten."""
    made = Secrets(
        pepper_id="p1",
        peppers={"p1": _random_key()},
        kek_id="k1",
        keks={"k1": _random_key()},
        role_passwords={role: secrets.token_urlsafe(24) for role in ROLES},
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, made)
    return made


def complete(path: Path) -> Secrets:
    """Read a secrets file, and give it a password for each role that this version has and its writer had not."""
    known = load(path)
    missing = {role: secrets.token_urlsafe(24) for role in ROLES if role not in known.role_passwords}
    if not missing:
        return known
    made = known.model_copy(update={"role_passwords": known.role_passwords | missing})
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    _write(beside, made)
    beside.replace(path)
    return made


def _write(path: Path, content: Secrets) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content.model_dump(), file, indent=1)
        file.flush()
        os.fsync(file.fileno())


def load(path: Path) -> Secrets:
    """Read a secrets file; raises ``SecretsFileError`` where it is missing or unusable."""
    try:
        return Secrets.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        message = f"SECRETS_FILE {path} is missing: restore it, or for a new database run scripts/admin bootstrap"
        raise SecretsFileError(message) from None
    except (OSError, ValueError) as error:
        message = f"SECRETS_FILE {path} cannot be used ({type(error).__name__}): restore it from a backup"
        raise SecretsFileError(message) from None


@cache
def get_secrets() -> Secrets:
    """Return the secrets of this process, read once."""
    return load(get_settings().secrets_file)
