"""The settings, read from the environment and ``.env`` and validated once at the start."""

import sys
from functools import cache
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.core.origins import ORIGIN

_MOUNTED: Final = Path("/run/secrets")
_Kind = TypeVar("_Kind", bound=BaseSettings)


class DriverSettings(BaseSettings):
    """The settings for every connection to Postgres, whichever server it uses."""

    # A folder that does not exist would be a warning of pydantic-settings at each start.
    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", frozen=True, secrets_dir=_MOUNTED if _MOUNTED.is_dir() else None
    )

    database_statement_cache: int = Field(default=100, ge=0, le=10_000)
    """Prepared statements that a connection keeps; 0 for a pooler in transaction mode that does not support them."""


class Settings(DriverSettings):
    """All settings of an operator. The name of the environment variable is the field's name in upper case.

    A file ``/run/secrets/<field>``, where containers mount secrets, sets a field too. The environment has priority.
    """

    database_url: str
    """The owner's ``postgresql://`` URL. The roles' URLs are derived from it (``role_url`` in app/db/urls.py)."""
    redis_url: str
    """``redis://`` or ``rediss://``."""
    secrets_file: Path = Path(".data/secrets.json")
    """File with pepper, key-encryption keys and role passwords; ``scripts/admin bootstrap`` creates it, mode 0600."""
    worker_secrets_file: Path | None = None
    """File that ``scripts/admin bootstrap`` writes for workers: the password of their role, and no key. They get it as
    their ``SECRETS_FILE``. The default is beside ``SECRETS_FILE``, with ``.worker`` in its name."""
    admin_secrets_file: Path | None = None
    """File with the password of tq_admin, for ``scripts/admin`` and the operator's pages alone. The default is beside
    ``SECRETS_FILE``, with ``.admin`` in its name."""
    task_modules: Annotated[tuple[str, ...], NoDecode] = ()
    """Comma-separated modules with the operator's own task types."""
    task_modules_folder: Path | None = None
    """An extra folder with these modules. It is searched last, so that it cannot replace a module of Python or ours."""
    webhook_allowed_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    """Comma-separated networks that are not public but may get webhooks, also over plain http: ``127.0.0.0/8``."""
    webhook_timeout_seconds: float = Field(default=15, ge=0.1, le=30)
    """Seconds within which a receiver of webhooks must answer. A claim of a delivery is valid for 60 s."""
    webhook_time_scale: float = Field(default=1, gt=0, le=1)
    """Factor of the times between attempts, and of those until a failing endpoint is disabled. Below 1 for tests."""
    http_request_allowed_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    """The same for the task type ``http_request``, which returns what it reads there. Its default is no network."""
    own_ports: Annotated[tuple[int, ...], NoDecode] = (8000, 8001)
    """Comma-separated ports of the api and of the operator's pages. Webhooks and ``http_request`` connect to none of
    them, nor to those of Postgres and Redis, in the networks that they are allowed."""
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Comma-separated origins whose web pages may call the API, exactly as browsers send them:
    ``https://app.example.com``."""

    console: Literal["on", "off"] = "on"
    """``off``: an api serves no console under ``/console``, and imports none of it."""
    mcp: Literal["on", "off"] = "off"
    """``on``: an api serves the task types to agents under ``/mcp``. It needs the packages of requirements-mcp.txt."""

    clients: Literal["on", "off"] = "on"
    """``off``: an api serves no Python and no TypeScript client under ``/clients``."""
    clients_folder: Path = Path(".data/clients")
    """The folder with these clients. ``scripts/admin clients build`` writes it, and every api reads it."""

    guide: Literal["on", "off"] = "on"
    """``off``: an api does not serve the documentation under ``/guide``."""
    guide_folder: Path = Path(".data/guide")
    """The folder with the pages of the documentation. ``scripts/guide`` writes it, and every api reads it."""

    metrics_port: int | None = Field(default=None, ge=1, le=65535)
    """The port on which this process serves its metrics; each process needs its own. Without it there are none."""
    metrics_host: str = "127.0.0.1"
    """The address on which they are served. Anybody who can connect can read them."""
    metrics_tenants: Annotated[tuple[str, ...], NoDecode] = ()
    """Comma-separated ids of tenants that the metrics show by name. All others are counted together."""

    # The roles' own URLs, for operators who manage the passwords of roles themselves.
    database_url_tq_api: str | None = None
    database_url_tq_submit: str | None = None
    database_url_tq_worker: str | None = None
    database_url_tq_http: str | None = None
    database_url_tq_dispatch: str | None = None
    database_url_tq_webhook: str | None = None
    database_url_tq_auth: str | None = None
    database_url_tq_account: str | None = None
    database_url_tq_admin: str | None = None

    worker_drain_seconds: float = Field(default=20, ge=0, le=3600)
    """Seconds for which a stopping worker lets its attempts run. Then it gives the rest back, for other workers."""
    worker_asyncio_tasks: int = Field(default=1_000, ge=1, le=100_000)
    """The most attempts that one worker of the asyncio pool runs at once."""
    worker_http_requests: int = Field(default=200, ge=2, le=10_000)
    """The most requests that one worker of ``http_request`` has under way at once."""
    log_level: str = "INFO"
    database_pool_size: int = Field(default=10, ge=1, le=100)
    """The most connections that one process opens for one role."""

    ended_tasks_bytes: int = Field(default=16_777_216, ge=0, le=1_073_741_824)
    """Memory of an api process for answers about ended tasks, which it remembers for a minute; 0 for none."""

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

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not ORIGIN.fullmatch(origin):
                message = "must be origins, as https://app.example.com or http://localhost:3000, without a path or *"
                raise ValueError(message)
        return origins

    @field_validator(
        "task_modules", "webhook_allowed_networks", "http_request_allowed_networks", "own_ports", "cors_origins",
        "metrics_tenants",
        mode="before",
    )  # fmt: skip
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value


@cache
def get_settings() -> Settings:
    """Return the settings, which are read once. A wrong or missing one ends the process with a line that names it."""
    return _read(Settings)


@cache
def get_driver_settings() -> DriverSettings:
    """Return the settings for every connection. Unlike ``get_settings`` this needs no ``DATABASE_URL``."""
    return _read(DriverSettings)


def _read(kind: type[_Kind]) -> _Kind:
    try:
        return kind()
    except ValidationError as error:
        lines = [f"{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        sys.exit("Settings are not usable. Set these variables in the environment or .env:\n  " + "\n  ".join(lines))
