"""Build the retry of an ended task: a new task with the same request."""

from collections.abc import Mapping
from typing import TYPE_CHECKING
from uuid import UUID

from app.core.errors import IllegalState, NotFound, TaskErased
from app.db import Database
from app.tasks.definition.own_types import OwnType
from app.tasks.read import store
from app.tasks.schemas import SubmitOptions
from app.tasks.status import FINAL
from app.tasks.submit import validation
from app.tasks.submit.new_tasks import TaskSpecs
from app.tenants.plans import Limits

if TYPE_CHECKING:
    import asyncpg

# The options that the new task keeps. Schedule and expiry are left out: those of the ended task are in the past.
_REPEATED = ("priority", "max_attempts", "timeout_seconds", "tags", "metadata", "webhook_url")


async def find_ended(reader: Database, tenant_id: UUID, task_id: UUID) -> "asyncpg.Record":
    """Return the original request of a task that has ended.

    Raises ``NotFound``, ``IllegalState`` for a task that has not ended, and ``TaskErased``.
    """
    async with reader.transaction(tenant_id) as connection:
        ended = await store.request(connection, tenant_id, task_id)
    if ended is None:
        raise NotFound("There is no such task. GET /api/tasks lists your tasks.")
    if ended["status"] not in FINAL:
        raise IllegalState("The task has not ended. Wait for its end, or cancel it first.")
    if ended["erased_at"] is not None:
        raise TaskErased("You have erased this task, and its payload with it. Submit a new task.")
    return ended


def specs(
    tenant_id: UUID,
    limits: Limits,
    task_id: UUID,
    ended: "asyncpg.Record",
    traceparent: str | None,
    own: Mapping[str, OwnType] | None,
) -> TaskSpecs:
    """Return the new task. ``ended`` is the row of the task ``task_id``, as ``find_ended`` returns it.

    ``own`` are the tenant's own task types. Raises ``OwnTypesNeeded``, and ``InvalidRequest`` if the task type no
    longer exists, or no longer takes this payload.
    """
    options = SubmitOptions.model_validate({name: ended[name] for name in _REPEATED})
    task = validation.repeated_task(tenant_id, ended["payload"], options, ended["task"], traceparent, own)
    return TaskSpecs(tenant_id, limits, (task._replace(retry_of=task_id),))
