"""Read the filter of an operation, as it is stored, as a selection of tasks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from app.operations.progress import Standing
from app.tasks.selection import TaskSelection

CANCELLABLE: Final = ("PENDING", "STARTED", "RETRY")
"""Statuses of tasks that a cancel can end."""
RETRYABLE: Final = ("SUCCESS", "FAILURE", "REVOKED")
"""Statuses of tasks that can be run again."""
RETRIED: Final = ("FAILURE",)
"""Statuses of the tasks that a retry chooses if neither statuses nor ids are named."""


def to_cancel(standing: Standing) -> TaskSelection:
    """Return the tasks that a cancel chooses: all that wait or run, unless the filter names statuses."""
    return _selection(standing, CANCELLABLE)


def to_retry(standing: Standing) -> TaskSelection:
    """Return the tasks that a retry chooses: failed ones, or any ended ones if they are named by id."""
    return _selection(standing, RETRYABLE if standing.filter.get("ids") else RETRIED)


def _selection(standing: Standing, default: Sequence[str]) -> TaskSelection:
    chosen = standing.filter
    named = chosen.get("ids")
    return TaskSelection(
        statuses=chosen.get("statuses") or default,
        asked_at=standing.created_at,
        task=chosen.get("task"),
        tag=chosen.get("tag"),
        created_from=_time(chosen.get("created_from")),
        created_to=_time(chosen.get("created_to")),
        task_ids=None if named is None else [UUID(text) for text in named],
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
