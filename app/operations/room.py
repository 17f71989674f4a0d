"""Tell how many tasks the limits of a tenant still allow (pure)."""

from typing import Final, NamedTuple

from app.operations.progress import LimitName, Waits
from app.quotas.schemas import Grant, Quota
from app.tasks.submit.decision import BACKLOG_RETRY_SECONDS
from app.tenants.plans import UNLIMITED, Limits

# Seconds between two looks while a quota of a day or month is used up: the operator may raise it at any time.
_QUOTA_RETRY_SECONDS: Final = 60.0
_NAMES: Final[dict[Quota, LimitName]] = {"backlog": "backlog", "day": "tasks_per_day", "month": "tasks_per_month"}


class Room(NamedTuple):
    """The number of tasks that the limits still allow, and the limit that allows the fewest."""

    tasks: int
    limit: Quota


def room_of(limits: Limits, ledger: Grant) -> Room:
    """Return the room of a tenant whose ledger stands there."""
    left: dict[Quota, int] = {"backlog": limits.backlog - ledger.waiting}
    if limits.tasks_per_day != UNLIMITED:
        left["day"] = limits.tasks_per_day - ledger.day_used
    if limits.tasks_per_month != UNLIMITED:
        left["month"] = limits.tasks_per_month - ledger.month_used
    # Of several limits without room, the one that lasts longest is named.
    limit = min(left, key=lambda name: (max(left[name], 0), {"month": 0, "day": 1, "backlog": 2}[name]))
    return Room(max(left[limit], 0), limit)


def waits_for(limit: Quota) -> Waits:
    """Return for what, and how long, an operation waits that has no room."""
    return Waits(_NAMES[limit], BACKLOG_RETRY_SECONDS if limit == "backlog" else _QUOTA_RETRY_SECONDS)
