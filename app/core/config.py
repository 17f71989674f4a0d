"""The settings, from the environment and ``.env``, validated once at start."""

import sys
from functools import cache
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Final, TypeVar

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_MOUNTED: Final = Path("/run/secrets")
_Kind = TypeVar("_Kind", bound=BaseSettings)


class DriverSettings(BaseSettings):
    """The settings of every connection to Postgres, whichever server it goes to."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", frozen=True, secrets_dir=_MOUNTED if _MOUNTED.is_dir() else None
    )

    database_statement_cache: int = Field(default=100, ge=0, le=10_000)
    """Prepared statements that a connection keeps; 0 for a pooler in transaction mode that does not know them."""


class Settings(DriverSettings):
    """Everything an operator may set; a field's name in upper case is the variable's.

    A file ``/run/secrets/<field>`` sets it too, where containers mount secrets; the environment comes first.
    """

    database_url: str
    """The owner's ``postgresql://`` URL; the roles' URLs derive from it (see ``role_url`` in app/db/urls.py)."""
    redis_url: str
    """``redis://`` or ``rediss://``."""
    secrets_file: Path = Path(".data/secrets.json")
    """Pepper, key-encryption keys and role passwords; made by ``scripts/admin bootstrap``, mode 0600."""
    task_modules: Annotated[tuple[str, ...], NoDecode] = ()
    """Comma-separated modules of task types of the operator's own."""
    task_modules_folder: Path | None = None
    """An extra folder with these modules. It is searched last, so it shadows no module of Python's or ours."""
    webhook_allowed_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    """Comma-separated networks that are not public but may get webhooks, over plain http too: ``127.0.0.0/8``."""

    database_url_tq_api: str | None = None
    database_url_tq_submit: str | None = None
    database_url_tq_worker: str | None = None
    database_url_tq_dispatch: str | None = None
    database_url_tq_webhook: str | None = None
    database_url_tq_auth: str | None = None
    database_url_tq_account: str | None = None
    database_url_tq_admin: str | None = None

    worker_drain_seconds: float = Field(default=20, ge=0, le=3600)
    """Seconds for which a stopping worker lets its attempts run; the rest is given to other workers."""
    worker_asyncio_tasks: int = Field(default=1_000, ge=1, le=100_000)
    """The most attempts that one worker of the asyncio pool runs at once."""
    log_level: str = "INFO"
    database_pool_size: int = Field(default=10, ge=1, le=100)
    """Connections of one process and role, at most."""

    @field_validator("database_url")
    @classmethod
    def _is_postgres(cls, url: str) -> str:
        if not url.startswith(("postgresql://", "postgres://")):
            message = "must be a postgresql:// URL"
            raise ValueError(message)
        return url

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, url: str) -> str:
        if not url.startswith(("redis://", "rediss://")):
            message = "must be a redis:// or rediss:// URL"
            raise ValueError(message)
        return url

    @field_validator("task_modules", "webhook_allowed_networks", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value


@cache
def get_settings() -> Settings:
    """Read the settings once; a wrong or missing one ends the process with a line that names the variable."""
    return _read(Settings)


@cache
def get_driver_settings() -> DriverSettings:
    """Read those of every connection, which need no server to be named; else as ``get_settings``."""
    return _read(DriverSettings)


def _read(kind: type[_Kind]) -> _Kind:
    try:
        return kind()
    except ValidationError as error:
        lines = [f"{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        sys.exit("Settings are not usable. Set these variables in the environment or .env:\n  " + "\n  ".join(lines))
