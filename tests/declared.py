"""Task types of models that a test makes up; the registry does not know them."""

from typing import Any

from pydantic import BaseModel, TypeAdapter

from app.tasks.definition import unknown_members
from app.tasks.definition.types import TaskType


class Nothing(BaseModel):
    """No payload."""


def task_type(payload: type[BaseModel] = Nothing, result: Any = None) -> TaskType:
    return TaskType(
        name="test.declared",
        function=lambda *_: None,
        payload=payload,
        validator=TypeAdapter(payload).validator,
        submit_validator=unknown_members.validator(payload),
        result=TypeAdapter(result),
        summary="",
        autoretry_for=(Exception,),
        max_attempts=3,
        retry_backoff=1,
        retry_backoff_max=600,
        retry_jitter=False,
        soft_time_limit=None,
        time_limit=900,
        pool="prefork",
    )
