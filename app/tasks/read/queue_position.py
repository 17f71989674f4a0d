"""The place of a waiting task in its tenant's queue, and an estimate of its start."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from app.db import Connection
from app.tasks.read import queue_store

# Other reasons to wait end when the tenant or the operator does something, so no rate tells when.
_WAITS_FOR_SLOTS: Final = frozenset({"QUEUED", "TENANT_CONCURRENCY"})
WINDOW: Final = timedelta(minutes=5)
"""The time for which ends are counted."""


class QueuePosition(NamedTuple):
    """The place of a task. ``position`` is 1 for the next task; None if it is not due or beyond 1,000."""

    position: int | None = None
    estimated_start_at: datetime | None = None
    """None without ends in the last 5 minutes."""


async def find(connection: Connection, tenant_id: UUID, task_id: UUID, waiting_reason: str | None) -> QueuePosition:
    """Return where a task stands; nothing for one that does not wait."""
    if waiting_reason is None:
        return QueuePosition()
    before = await queue_store.tasks_before(connection, tenant_id, task_id)
    if before is None or before >= queue_store.MAX_POSITION:
        return QueuePosition()
    if waiting_reason not in _WAITS_FOR_SLOTS:
        return QueuePosition(before + 1)
    recent = await queue_store.recent_ends(connection, tenant_id, WINDOW)
    return QueuePosition(before + 1, estimate(before + 1, recent["ends"], recent["seconds"], recent["now"]))


def estimate(position: int, ends: int, seconds: float | None, now: datetime) -> datetime | None:
    """Return when the task at ``position`` starts if tasks go on to end as ``ends`` did, the first ``seconds`` ago."""
    if not ends or seconds is None:
        return None
    # Fewer than the most that are counted are all ends of the window. Otherwise they are those since the first of them.
    window = WINDOW.total_seconds() if ends < queue_store.MAX_ENDS else max(seconds, 0.001)
    return now + timedelta(seconds=position * window / ends)
