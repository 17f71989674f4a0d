"""SQL that finds the errors of which a tenant's tasks are occurrences."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from app.db import Connection

# LATERAL with LIMIT: one look-up by the key for each task, whatever the statistics say.
_OF_TASKS: Final = """
SELECT u.task_id, l.error_id FROM unnest($2::uuid[]) AS u (task_id)
CROSS JOIN LATERAL (SELECT e.error_id FROM error_task e WHERE e.tenant_id = $1 AND e.task_id = u.task_id LIMIT 1) AS l
"""


async def of_tasks(connection: Connection, tenant_id: UUID, tasks: Sequence[Any]) -> dict[UUID, UUID]:
    """Return the error of the latest failed attempt of each task that has one, by the task's id.

    ``tasks`` are rows with ``task_id``, ``status`` and ``attempt``. For tasks that cannot have failed nothing is asked.
    """
    may_have_failed = [row["task_id"] for row in tasks if _may_have_failed(row)]
    if not may_have_failed:
        return {}
    rows = await connection.fetch(_OF_TASKS, tenant_id, may_have_failed)
    return {row["task_id"]: row["error_id"] for row in rows}


def _may_have_failed(row: Any) -> bool:
    # Most tasks succeed at once, so most lists need no second statement.
    return row["attempt"] > 1 or (row["attempt"] == 1 and row["status"] not in {"STARTED", "SUCCESS"})
