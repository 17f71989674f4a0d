"""Define the plans, and compute the limits of a tenant: those of its plan with the operator's overrides."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Final, Literal, Protocol, TypeAlias

Plan: TypeAlias = Literal["free", "pro", "enterprise"]

# Stored as a number, because SQL compares limits.
UNLIMITED: Final = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """A tenant's limits by name. Only rates and quotas can be ``UNLIMITED``."""

    requests_per_second: int
    burst: int
    """Requests that may come at once before the rate limits them."""
    running: int
    """Tasks that run at once."""
    backlog: int
    """Tasks that wait at once."""
    tasks_per_day: int
    tasks_per_month: int
    payload_bytes: int
    result_bytes: int
    api_keys: int
    """Valid keys at once."""
    webhook_endpoints: int
    schedules: int
    retention_days: int
    """Days that an ended task is kept."""
    log_lines: int
    """Lines of its code's log that are kept for a task. 0: none."""
    event_hours: int
    """Hours that an event can be read, never more than the retention. 0: only what a webhook needs is logged."""
    streams: int
    """Streams of events that are open at once in one api process."""
    http_requests_per_second: int
    """Requests of ``http_request`` that are sent in a second, at most."""
    task_types: int
    """Task types of the tenant's own."""
    leases: int
    """Tasks that the tenant's own workers run at once."""
    parked_polls: int
    """Lease calls that wait for a task at once in one api process."""
    weight: int
    """Share of the workers when tenants compete."""


# The names that scripts/admin tenant set-limit and GET /api/limits use.
NAMES: Final = tuple(field.name for field in fields(Limits))

PLANS: Final[Mapping[str, Limits]] = {
    "free": Limits(
        requests_per_second=10,
        burst=20,
        running=2,
        backlog=1_000,
        tasks_per_day=1_000,
        tasks_per_month=31_000,
        payload_bytes=262_144,
        result_bytes=262_144,
        api_keys=5,
        webhook_endpoints=5,
        schedules=10,
        retention_days=7,
        log_lines=1_000,
        event_hours=24,
        streams=10,
        http_requests_per_second=5,
        task_types=10,
        leases=10,
        parked_polls=10,
        weight=1,
    ),
    "pro": Limits(
        requests_per_second=100,
        burst=200,
        running=20,
        backlog=100_000,
        tasks_per_day=100_000,
        tasks_per_month=3_100_000,
        payload_bytes=262_144,
        result_bytes=262_144,
        api_keys=50,
        webhook_endpoints=50,
        schedules=1_000,
        retention_days=30,
        log_lines=1_000,
        event_hours=168,
        streams=100,
        http_requests_per_second=50,
        task_types=100,
        leases=200,
        parked_polls=200,
        weight=2,
    ),
    "enterprise": Limits(
        requests_per_second=UNLIMITED,
        burst=UNLIMITED,
        running=1_000,
        backlog=1_000_000,
        tasks_per_day=UNLIMITED,
        tasks_per_month=UNLIMITED,
        payload_bytes=262_144,
        result_bytes=262_144,
        api_keys=1_000,
        webhook_endpoints=500,
        schedules=100_000,
        retention_days=90,
        log_lines=1_000,
        event_hours=720,
        streams=1_000,
        http_requests_per_second=500,
        task_types=1_000,
        leases=5_000,
        parked_polls=5_000,
        weight=4,
    ),
}

MAX_RETENTION_DAYS: Final = max(plan.retention_days for plan in PLANS.values())
"""The longest retention of a plan. An override may be longer."""
MAX_EVENT_HOURS: Final = max(plan.event_hours for plan in PLANS.values())
"""The longest event log of a plan. An override may be longer."""

# Lowest and highest override. A rate or weight of 0 would divide by zero. 0 running or 0 a day stops the tenant.
_BOUNDS: Final[Mapping[str, tuple[int, int]]] = {
    "requests_per_second": (1, 1_000_000),
    "burst": (1, 1_000_000),
    "running": (0, 100_000),
    "backlog": (0, 100_000_000),
    "tasks_per_day": (0, 1_000_000_000_000),
    "tasks_per_month": (0, 1_000_000_000_000),
    "payload_bytes": (2, 1_048_576),
    "result_bytes": (2, 1_048_576),
    "api_keys": (0, 100_000),
    "webhook_endpoints": (0, 10_000),
    "schedules": (0, 1_000_000),
    "retention_days": (1, 3_650),
    "log_lines": (0, 10_000),
    "event_hours": (0, 87_600),
    "streams": (0, 100_000),
    "http_requests_per_second": (1, 100_000),
    "task_types": (0, 10_000),
    "leases": (0, 100_000),
    "parked_polls": (0, 100_000),
    "weight": (1, 100),
}
_MAY_BE_UNLIMITED: Final = frozenset({"requests_per_second", "burst", "tasks_per_day", "tasks_per_month"})


class Contract(Protocol):
    """Whatever has a plan, and overrides of its limits: a principal, for one."""

    @property
    def plan(self) -> str:
        """``free``, ``pro`` or ``enterprise``."""

    @property
    def overrides(self) -> Mapping[str, int]:
        """The limits that replace those of the plan, by name."""


def limits_of(contract: Contract) -> Limits:
    """Return the effective limits of a contract."""
    return effective(contract.plan, contract.overrides)


def effective_limit(name: str, plan: str, override: int | None) -> int:
    """Return one effective limit, where only its own override was read."""
    limit: int = getattr(PLANS[plan], name) if override is None else override
    return limit


def effective(plan: str, overrides: Mapping[str, int]) -> Limits:
    """Return the effective limits. An override whose name no longer exists is ignored."""
    return _effective(plan, tuple(overrides.items())) if overrides else PLANS[plan]


# Each request computes its limits, and few tenants have overrides.
@lru_cache(maxsize=1024)
def _effective(plan: str, overrides: tuple[tuple[str, int], ...]) -> Limits:
    limits = replace(PLANS[plan], **{name: value for name, value in overrides if name in NAMES})
    # What an event says is read from its task.
    return replace(limits, event_hours=min(limits.event_hours, limits.retention_days * 24))


def or_none(limit: int) -> int | None:
    """Return a limit as programs read it: ``None`` for an unlimited one."""
    return None if limit == UNLIMITED else limit


def validation_error(name: str, value: int | None) -> str | None:
    """Return why an override is invalid, or ``None`` when it is valid. The value ``None`` removes an override."""
    # The message lists the names, because operators type them.
    if name not in NAMES:
        return f"There is no such limit. Choose one of: {', '.join(NAMES)}."
    low, high = _BOUNDS[name]
    if value is None or low <= value <= high or (value == UNLIMITED and name in _MAY_BE_UNLIMITED):
        return None
    unlimited = ", or unlimited" if name in _MAY_BE_UNLIMITED else ""
    return f"{name} must be a whole number from {low} to {high}{unlimited}."
