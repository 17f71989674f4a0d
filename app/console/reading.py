"""Read tasks and errors for pages, through the same functions as the API."""

from collections.abc import Iterable

from app.console.visit import Visit
from app.core import ids
from app.task_errors import calls
from app.task_errors.schemas import ErrorStatus, KnownErrorPage
from app.tasks.list_schemas import TaskSummary
from app.tasks.read.task_filter import TaskFilter
from app.tasks.status import FINAL


async def newest(visit: Visit, wanted: TaskFilter, limit: int) -> list[TaskSummary]:
    """Return up to ``limit`` of the newest tasks that match."""
    async with visit.parts.list_limit.place(visit.tenant_id):
        found, _ = await visit.parts.reading.page(visit.tenant_id, wanted, position=ids.LAST, limit=limit)
    return found[:limit]


def unfinished(tasks: Iterable[TaskSummary]) -> list[str]:
    """Return the ids of the tasks that may still change: the page follows them."""
    # An ended task never changes, so a page need not follow it.
    return [str(task.task_id) for task in tasks if task.status not in FINAL]


async def errors(visit: Visit, status: ErrorStatus, limit: int, cursor: str | None = None) -> KnownErrorPage:
    """Return the errors of a status, the one that was seen last first."""
    answer = await calls.list_errors(
        visit.request, visit.principal, visit.parts, status=status, limit=limit, cursor=cursor
    )
    return KnownErrorPage.model_validate_json(bytes(answer.body))
