"""Read the filter of an operation, as it is stored, as a selection of tasks or deliveries."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from app.operations.progress import Standing
from app.tasks.selection import TaskSelection
from app.webhooks.repair_store import DeliverySelection

CANCELLABLE: Final = ("PENDING", "STARTED", "RETRY")
"""Statuses of tasks that a cancel can end."""
RETRYABLE: Final = ("SUCCESS", "FAILURE", "REVOKED")
"""Statuses of tasks that can be run again."""
RETRIED: Final = ("FAILURE",)
"""Statuses of the tasks that a retry chooses if neither statuses nor ids are named."""

RESENDABLE: Final = ("DELIVERED", "FAILED", "SKIPPED")
"""Statuses of deliveries that can be sent again."""
RESENT: Final = ("FAILED",)
"""Statuses of the deliveries that are sent again if neither statuses nor ids are named."""


def to_cancel(standing: Standing) -> TaskSelection:
    """Return the tasks that a cancel chooses: all that wait or run, unless the filter names statuses."""
    return _selection(standing, CANCELLABLE)


def to_retry(standing: Standing) -> TaskSelection:
    """Return the tasks that a retry chooses: failed ones, or any ended ones if they are named by id."""
    # A caller that names a task means it, whatever its end. Without ids and statuses, no success must run again.
    return _selection(standing, RETRYABLE if standing.filter.get("ids") else RETRIED)


def to_resend(standing: Standing) -> DeliverySelection:
    """Return the deliveries that are sent again: failed ones, or any ended ones if they are named by id."""
    chosen = standing.filter
    named, kind = chosen.get("ids"), chosen.get("type")
    return DeliverySelection(
        statuses=chosen.get("statuses") or (RESENDABLE if named else RESENT),
        asked_at=standing.created_at,
        endpoint_id=_id(chosen.get("endpoint")),
        types=None if kind is None else [kind],
        task_id=_id(chosen.get("task_id")),
        since=time_of(standing, "since"),
        until=time_of(standing, "until"),
        delivery_ids=None if named is None else [UUID(text) for text in named],
    )


def endpoint_of(standing: Standing) -> UUID:
    """Return the endpoint that an operation is about."""
    return UUID(standing.filter["endpoint"])


def schedule_of(standing: Standing) -> UUID:
    """Return the schedule that an operation is about."""
    return UUID(standing.filter["schedule_id"])


def times_of(standing: Standing) -> tuple[datetime, datetime]:
    """Return the first and the last moment of the times of a schedule."""
    return datetime.fromisoformat(standing.filter["from"]), datetime.fromisoformat(standing.filter["to"])


def time_of(standing: Standing, name: str) -> datetime | None:
    """Return a time of the filter; None if it has none of this name."""
    return _time(standing.filter.get(name))


def _selection(standing: Standing, default: Sequence[str]) -> TaskSelection:
    chosen = standing.filter
    named, error_id = chosen.get("ids"), chosen.get("error_id")
    return TaskSelection(
        statuses=chosen.get("statuses") or default,
        asked_at=standing.created_at,
        task=chosen.get("task"),
        tag=chosen.get("tag"),
        created_from=_time(chosen.get("created_from")),
        created_to=_time(chosen.get("created_to")),
        task_ids=None if named is None else [UUID(text) for text in named],
        error_id=None if error_id is None else UUID(error_id),
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _id(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)
