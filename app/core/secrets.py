"""The secrets file: keys and passwords that must never be in the database, because a copy of it would reveal them.

The database cannot be used without this file.
"""

import base64
import hashlib
import json
import os
import secrets
import time
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from app.core.config import get_settings

ROLES: Final = (
    "tq_api", "tq_submit", "tq_worker", "tq_http", "tq_dispatch", "tq_webhook", "tq_auth", "tq_account", "tq_admin",
)  # fmt: skip
"""The login roles of the database, one for each kind of work (docs/secrets.md)."""

_WORKER_ROLES: Final = ("tq_worker",)
_ADMIN_ROLE: Final = "tq_admin"
# Those whose passwords are in the file that every process of the service reads.
_SHARED_ROLES: Final = tuple(role for role in ROLES if role != _ADMIN_ROLE)

RETIRED_SECONDS: Final = 3_600
"""Seconds for which a retired token key is still accepted. No token is valid for longer (app/identity/tokens.py)."""

SPARE_SECONDS: Final = 600
"""Seconds for which a spare key is published before it signs: twice as long as clients may cache the key set."""


class SecretsFileError(RuntimeError):
    """The secrets file is missing or unusable; the message says what to do."""


class SpareTooNew(SecretsFileError):  # noqa: N818 named for the fact
    """The spare key has not been published for long enough to sign."""


class JwtKey(BaseModel):
    """A key that signs tokens (ES256)."""

    model_config = ConfigDict(frozen=True)

    kid: str
    private_key: str
    state: Literal["active", "spare", "retired"]
    """``active`` signs, ``spare`` is published and will sign next, ``retired`` is still accepted."""
    since: int
    """Start of this state, in Unix seconds."""


class Secrets(BaseModel):
    """The content of the file. Each key is the base64 of 32 random bytes."""

    model_config = ConfigDict(frozen=True)

    pepper_id: str
    peppers: dict[str, str]
    """By id: the HMAC keys with which API keys are hashed. ``pepper_id`` names the one for new API keys."""
    kek_id: str
    keks: dict[str, str]
    """By id: the key-encryption keys (KEKs) of tenants' secrets. ``kek_id`` names the one for new secrets."""
    role_passwords: dict[str, str]
    jwt_keys: tuple[JwtKey, ...] = ()
    """One active key, one spare, and retired keys whose tokens may still be valid. Empty in files of old versions."""

    def pepper(self, pepper_id: str) -> bytes:
        """Return a pepper; raises ``KeyError`` for an unknown id."""
        return base64.b64decode(self.peppers[pepper_id])

    def kek(self, kek_id: str) -> bytes:
        """Return a key-encryption key; raises ``KeyError`` for an unknown id."""
        return base64.b64decode(self.keks[kek_id])


def _random_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _new_jwt_key(state: Literal["active", "spare"], now: int) -> JwtKey:
    return JwtKey(kid=f"j{secrets.token_hex(8)}", private_key=_random_key(), state=state, since=now)


def create(path: Path) -> Secrets:
    """Write a new secrets file that only its owner can read. Raises ``FileExistsError`` if there is one already."""
    made = Secrets(
        pepper_id="p1",
        peppers={"p1": _random_key()},
        kek_id="k1",
        keks={"k1": _random_key()},
        role_passwords={role: secrets.token_urlsafe(24) for role in _SHARED_ROLES},
        jwt_keys=_first_jwt_keys(),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, made)
    return made


def _first_jwt_keys() -> tuple[JwtKey, ...]:
    now = int(time.time())
    return _new_jwt_key("active", now), _new_jwt_key("spare", now)


def complete(path: Path) -> Secrets:
    """Read a secrets file, and add role passwords and token keys that an older version did not write.

    An older version wrote the password of tq_admin as well. It is taken out (``complete_for_operators``).
    """
    known = load(path)
    missing = {role: secrets.token_urlsafe(24) for role in _SHARED_ROLES if role not in known.role_passwords}
    passwords = {role: text for role, text in known.role_passwords.items() if role != _ADMIN_ROLE} | missing
    if passwords == known.role_passwords and known.jwt_keys:
        return known
    return _replace(path, known, role_passwords=passwords, jwt_keys=known.jwt_keys or _first_jwt_keys())


def complete_for_operators(path: Path) -> Secrets:
    """Read the file of scripts/admin and of the operator's pages, which has the password of tq_admin and no key.

    Without one it is created, with a new password. No process that strangers reach reads it.
    """
    try:
        return load(path)
    except SecretsFileError:
        if path.exists():
            raise
    passwords = {_ADMIN_ROLE: secrets.token_urlsafe(24)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):  # another bootstrap was quicker
        _write_whole(path, Secrets(pepper_id="", peppers={}, kek_id="", keks={}, role_passwords=passwords))
    return load(path)


def admin_path(path: Path) -> Path:
    """Return where the file of operators is, unless a setting names another place."""
    return path.with_name(f"{path.stem}.admin{path.suffix}")


def write_for_workers(known: Secrets, path: Path) -> None:
    """Write the file of workers that run the operator's code: the password of tq_worker, and none of the keys.

    Code that runs in such a worker can read the file, but can open no sealed secret and make no token with it.
    """
    passwords = {role: known.role_passwords[role] for role in _WORKER_ROLES}
    made = Secrets(pepper_id="", peppers={}, kek_id="", keks={}, role_passwords=passwords)
    if path.exists() and path.read_text() == _json(made):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_over(path, made)


def worker_path(path: Path) -> Path:
    """Return where the file of workers is, unless a setting names another place."""
    return path.with_name(f"{path.stem}.worker{path.suffix}")


def add_kek(path: Path) -> Secrets:
    """Add a new key-encryption key, which is used from now on. The others stay, for secrets that they have sealed."""
    known = load(path)
    kek_id = f"k{secrets.token_hex(4)}"
    return _replace(path, known, kek_id=kek_id, keks={**known.keks, kek_id: _random_key()})


def drop_keks(path: Path) -> list[str]:
    """Remove every key-encryption key except the one for new secrets; return the ids of the removed keys."""
    known = load(path)
    dropped = [kek_id for kek_id in known.keks if kek_id != known.kek_id]
    _replace(path, known, keks={known.kek_id: known.keks[known.kek_id]})
    return dropped


def rotate_jwt(path: Path, *, is_compromised: bool = False) -> Secrets:
    """Make the spare key active, create a new spare, and retire the key that was active.

    With ``is_compromised`` the old keys are removed at once, which makes every token invalid. Raises ``SpareTooNew``.
    """
    known, now = load(path), int(time.time())
    spare = next((key for key in known.jwt_keys if key.state == "spare"), None)
    if spare is None:
        message = f"SECRETS_FILE {path} has no keys of tokens: run scripts/admin bootstrap"
        raise SecretsFileError(message)
    if not is_compromised and now - spare.since < SPARE_SECONDS:
        message = "The spare key is too new: others may not have fetched it. Wait 10 minutes, or say --compromised."
        raise SpareTooNew(message)
    old = () if is_compromised else (_retired(key, now) for key in known.jwt_keys if key.state != "spare")
    living = tuple(key for key in old if now - key.since < RETIRED_SECONDS)
    active = spare.model_copy(update={"state": "active", "since": now})
    return _replace(path, known, jwt_keys=(active, _new_jwt_key("spare", now), *living))


def _retired(key: JwtKey, now: int) -> JwtKey:
    return key if key.state == "retired" else key.model_copy(update={"state": "retired", "since": now})


def _replace(path: Path, known: Secrets, **changes: object) -> Secrets:
    made = known.model_copy(update=changes)
    _write_over(path, made)
    return made


def _write_over(path: Path, content: Secrets) -> None:
    # Written to a second file, then renamed: a crash in between must not leave half a secrets file.
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    _write(beside, content)
    beside.replace(path)


def _write_whole(path: Path, content: Secrets) -> None:
    """Write a file that must not exist yet. Others see all of it, or nothing. Raises ``FileExistsError``."""
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    _write(beside, content)
    try:
        # A hard link fails if the file exists, and a rename would replace it: the first password stays.
        path.hardlink_to(beside)
    finally:
        beside.unlink()


def _json(content: Secrets) -> str:
    return json.dumps(content.model_dump(mode="json"), indent=1)


def _write(path: Path, content: Secrets) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(_json(content))
        file.flush()
        # A file that is lost with the power would make every sealed secret unreadable.
        os.fsync(file.fileno())


def load(path: Path) -> Secrets:
    """Read a secrets file. Raises ``SecretsFileError`` if it is missing or unusable."""
    try:
        return Secrets.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        message = f"SECRETS_FILE {path} is missing: restore it, or for a new database run scripts/admin bootstrap"
        raise SecretsFileError(message) from None
    except (OSError, ValueError) as error:
        message = f"SECRETS_FILE {path} cannot be used ({type(error).__name__}): restore it from a backup"
        raise SecretsFileError(message) from None


def fingerprint(known: Secrets) -> str:
    """Return a text by which two hosts can tell whether their files have the same keys. It tells nothing about them."""
    content = json.dumps(known.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def fingerprint_of(path: Path) -> str | None:
    """Return the fingerprint of a file; None if it cannot be used. It is read again only after a change."""
    try:
        return _fingerprint_at(path, path.stat().st_mtime_ns)
    except (OSError, SecretsFileError):
        return None


@lru_cache(maxsize=1)
def _fingerprint_at(path: Path, _changed_at: int) -> str:
    return fingerprint(load(path))


@cache
def get_secrets() -> Secrets:
    """Return the secrets, which this process reads once."""
    return load(get_settings().secrets_file)


def role_password(role: str) -> str | None:
    """Return the password of a role; None if the file that should have it has none. Raises ``SecretsFileError``."""
    if role != _ADMIN_ROLE:
        return get_secrets().role_passwords.get(role)
    settings = get_settings()
    return load(settings.admin_secrets_file or admin_path(settings.secrets_file)).role_passwords.get(role)
