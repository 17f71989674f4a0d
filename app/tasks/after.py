"""The parts of the task calls' bodies that say why a task waits, and for which tasks."""

from enum import StrEnum
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from app.core import ids

MAX_AFTER: Final = 1_000
"""The most tasks that one task may wait for."""


class WaitingReason(StrEnum):
    """The reason why a waiting task does not run yet."""

    SCHEDULED = "SCHEDULED"
    RETRY_BACKOFF = "RETRY_BACKOFF"
    TENANT_CONCURRENCY = "TENANT_CONCURRENCY"
    QUEUE_PAUSED = "QUEUE_PAUSED"
    SUSPENDED = "SUSPENDED"
    DEPENDENCIES = "DEPENDENCIES"
    NO_WORKER = "NO_WORKER"
    QUEUED = "QUEUED"


def _id(given: object) -> UUID:
    found = ids.read(given) if isinstance(given, str) else given
    if not isinstance(found, UUID):
        raise ValueError("Input should be the id of a task")  # noqa: TRY004 pydantic reports a ValueError
    return found


_Id = Annotated[UUID, BeforeValidator(_id), WithJsonSchema({"type": "string", "format": "uuid"})]


class After(BaseModel):
    """A task to wait for, and how it has to end."""

    model_config = ConfigDict(extra="forbid", strict=True)

    task_id: _Id = Field(description="The task to wait for.")
    when: Literal["success", "failure", "finished"] = Field(
        "success", description="`failure` is any end but SUCCESS, `finished` any end."
    )


def _after(given: object) -> object:
    return After(task_id=_id(given)) if isinstance(given, str) else given


AfterItem = Annotated[
    After,
    BeforeValidator(_after, json_schema_input_type=_Id | After),
]
