"""Read the log of a task, page by page, while it runs and after its end."""

import re
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from app.core.errors import InvalidCursor, NotFound
from app.db import Database
from app.http import pagination
from app.tasks import log_store, store
from app.tasks.log_schemas import TaskLogEntry, TaskLogPage
from app.tasks.status import FINAL, Status

_POSITION: Final = re.compile(r"logs:([0-9a-f-]{36}):([0-9]{1,9}):([0-9]{1,9})")
_BEGINNING: Final = (0, 0)


async def page(
    reader: Database, tenant_id: UUID, task_id: UUID, *, after: str | None, limit: int, cursor_key: bytes
) -> TaskLogPage:
    """Return up to ``limit`` lines after a cursor. Raises ``NotFound`` and ``InvalidCursor``."""
    position = _BEGINNING if after is None else _position(tenant_id, task_id, after, cursor_key)
    async with reader.transaction(tenant_id) as connection:
        # The status first: if the task has ended by now, the next statement sees all of its lines.
        status = await store.status(connection, tenant_id, task_id)
        if status is None:
            raise NotFound("There is no such task. GET /api/tasks lists your tasks.")
        rows = await log_store.page(connection, tenant_id, task_id, after=position, limit=limit)
    lines = [TaskLogEntry.model_validate(dict(row)) for row in rows]
    if len(lines) < limit and Status(status) in FINAL:
        return TaskLogPage(items=lines, next_cursor=None)
    return TaskLogPage(items=lines, next_cursor=_cursor(tenant_id, task_id, lines, position, cursor_key))


def _cursor(
    tenant_id: UUID, task_id: UUID, lines: Sequence[TaskLogEntry], position: tuple[int, int], cursor_key: bytes
) -> str:
    attempt, seq = (lines[-1].attempt, lines[-1].seq) if lines else position
    return pagination.encode(tenant_id, f"logs:{task_id}:{attempt}:{seq}", cursor_key)


def _position(tenant_id: UUID, task_id: UUID, cursor: str, cursor_key: bytes) -> tuple[int, int]:
    found = _POSITION.fullmatch(pagination.decode(tenant_id, cursor, cursor_key))
    if found is None or UUID(found[1]) != task_id:
        raise InvalidCursor("This cursor belongs to another list. Start again without `after`.")
    return int(found[2]), int(found[3])
