"""Handlers of the calls that change a waiting task."""

from app.identity.principal import Principal
from app.tasks.change_schemas import ChangedTask, ChangeRequest
from app.tasks.change_store import WaitingChange
from app.tasks.parameters import TaskId
from app.tasks.parts import TaskParts
from app.tasks.run import change
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
