"""Write what is read of a task as JSON text, from its row. A pydantic model of the answer would cost twice as much."""

from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from pydantic_core import to_json

from app.tasks.schemas import Progress, TaskError
from app.tasks.status import FINAL, Status

if TYPE_CHECKING:
    import asyncpg


class Text(NamedTuple):
    """A task's status or result as JSON text: what ``TaskStatus``, ``TaskResult`` or ``ResultPending`` would write."""

    has_ended: bool
    """The task has ended, so the text never changes."""
    body: bytes


def status(task_id: UUID, row: "asyncpg.Record") -> Text:
    """Return the status of a task. ``row`` has a ``number``, and then the fields of ``TaskStatus`` without the id."""
    fields = {"number": 0, "task_id": str(task_id), **row}
    del fields["number"]
    # These two come from the task's code, and the models give their members the documented types.
    if fields["progress"] is not None:
        fields["progress"] = Progress.model_validate(fields["progress"])
    if fields["error"] is not None:
        fields["error"] = TaskError.model_validate(fields["error"])
    return Text(fields["status"] in FINAL, to_json(fields, inf_nan_mode="null"))


def result(task_id: UUID, row: "asyncpg.Record") -> Text:
    """Return the outcome of a task, if it has ended. ``row`` has its status, and result and error as JSON texts."""
    known = f'"task_id":"{task_id}","status":"{Status(row["status"])}"'
    has_ended = row["status"] in FINAL
    if has_ended:
        text = f'{{{known},"result":{row["result"] or "null"},"error":{row["error"] or "null"}}}'
    else:
        text = f'{{"detail":"Result not available yet",{known}}}'
    return Text(has_ended, text.encode())
