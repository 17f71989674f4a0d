"""Handlers of the calls that change a waiting task, and erase an ended one."""

from app.identity.principal import Principal
from app.tasks.change_schemas import ChangedTask, ChangeRequest, ErasedTask
from app.tasks.change_store import WaitingChange
from app.tasks.parameters import TaskId
from app.tasks.parts import TaskParts
from app.tasks.run import change, erasure
from app.tasks.schemas import DEFAULT_PRIORITY


async def change_task(principal: Principal, parts: TaskParts, task_id: TaskId, body: ChangeRequest) -> ChangedTask:
    """Change the priority, the time or the tags of a task while it waits. What is due then may start at once."""
    changed = await change.change(parts.reader, parts.redis, principal.tenant_id, task_id, _wanted(body))
    return ChangedTask(task_id=task_id, **{name: changed[name] for name in ChangedTask.model_fields if name in changed})


def _wanted(body: ChangeRequest) -> WaitingChange:
    """Return the change. A member that was sent as null sets the default, one that is missing changes nothing."""
    sent = body.model_fields_set
    return WaitingChange(
        priority=(DEFAULT_PRIORITY if body.priority is None else body.priority) if "priority" in sent else None,
        sets_time="scheduled_at" in sent,
        scheduled_at=body.scheduled_at,
        tags=(body.tags or []) if "tags" in sent else None,
    )


async def erase_task(principal: Principal, parts: TaskParts, task_id: TaskId) -> ErasedTask:
    """Erase an ended task's payload, result, errors, progress, tags, metadata and log for good.

    Its id, status and times stay. A webhook that is still to be sent goes out without them.
    """
    status, erased_at = await erasure.erase(parts.reader, principal.tenant_id, task_id)
    # This process must not answer from memory what its own tenant has just erased (decision 19).
    parts.reading.ended.forget(principal.tenant_id, task_id)
    return ErasedTask(task_id=task_id, status=status, erased_at=erased_at)
