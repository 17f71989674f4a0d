"""SQL of what a tenant changes in its tasks: one that waits gets other options, one that has ended is erased."""

from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from app.db import Connection, call

if TYPE_CHECKING:
    import asyncpg


class WaitingChange(NamedTuple):
    """The new options of a waiting task: the last parameters of the SQL function ``waiting_change``, in their order."""

    priority: int | None
    """None keeps the priority."""
    sets_time: bool
    scheduled_at: datetime | None
    """With ``sets_time``: the time from which the task may run; None is at once."""
    tags: list[str] | None
    """None keeps the tags."""


_CALL_CHANGE: Final = call("waiting_change", "tenant", "task", *WaitingChange._fields)
_CHANGE: Final = f"SELECT * FROM {_CALL_CHANGE}"  # noqa: S608 a constant of names


async def change_waiting(
    connection: Connection, tenant_id: UUID, task_id: UUID, change: WaitingChange
) -> "asyncpg.Record | None":
    """Change a waiting task and return it as it is now (migrations/functions: waiting_change); None: it does not wait.

    The tenant's slots stay locked until the transaction ends, so no task of it starts or ends meanwhile.
    """
    return await connection.fetchrow(_CHANGE, tenant_id, task_id, *change)


_CALL_ERASE: Final = call("task_erase", "tenant", "task")
_ERASE: Final = f"SELECT status, erased_at FROM {_CALL_ERASE}"  # noqa: S608 a constant of names


async def erase(connection: Connection, tenant_id: UUID, task_id: UUID) -> "asyncpg.Record | None":
    """Erase a task that has ended (migrations/functions: task_erase). Return its status and ``erased_at``.

    ``erased_at`` is None for a task that has not ended. None: the task is unknown.
    """
    return await connection.fetchrow(_ERASE, tenant_id, task_id)
