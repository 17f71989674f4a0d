"""Task types that a tenant has declared for workers of its own. Their tasks are leased over HTTP (``app.remote``)."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from app.broker.ring import REMOTE_PREFIX
from app.tasks.definition.json_schemas import Schema
from app.tasks.definition.payloads import UnusablePayload


def pool_of(name: str) -> str:
    """Return the pool of the tasks of a tenant's own type."""
    return f"{REMOTE_PREFIX}{name}"


def is_remote(pool: str) -> bool:
    """Return whether tasks of this pool are run by tenants' own workers."""
    return pool.startswith(REMOTE_PREFIX)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Says after which delay a failed task is tried again. Times are seconds."""

    retry_backoff: float = 1.0
    """Delay before the second attempt. It doubles with each further attempt. 0 means no delay."""
    retry_backoff_max: float = 600.0
    retry_jitter: bool = True
    """If true, each delay is a random value between 0 and the computed delay."""


@dataclass(frozen=True, slots=True)
class OwnType:
    """A task type of a tenant. Times are seconds."""

    name: str
    max_attempts: int
    time_limit: float
    lease_seconds: int
    retry: RetryPolicy
    payload_schema: Schema | None
    result_schema: Schema | None

    @property
    def pool(self) -> str:
        """Return the pool of its tasks."""
        return pool_of(self.name)

    def check_payload(self, payload: Any) -> None:
        """Check a payload, a parsed JSON value. Raises ``UnusablePayload``."""
        if self.payload_schema is not None and (faults := self.payload_schema.faults(payload, "payload")):
            raise UnusablePayload(faults)


class OwnTypesNeeded(Exception):  # noqa: N818 it asks for something
    """A task names a type that the operator does not have, and the tenant's own types are not known yet."""

    def __init__(self, name: str) -> None:
        """``name`` is the unknown name."""
        super().__init__(name)
        self.name = name


NO_TYPES: Final[Mapping[str, OwnType]] = MappingProxyType({})
"""The own types of a tenant that has none."""
