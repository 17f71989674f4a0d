"""A task's payload, read from its JSON at submit and in each attempt, both times in the same way."""

from collections.abc import Sequence
from typing import Any, Final

from pydantic import ValidationError

from app.core import faults
from app.tasks.types import TaskType

# Each costs time to describe, and a payload has room for a hundred thousand.
_MAX_FAULTS: Final = 20
# Of them in the message of an attempt's error.
_MAX_TOLD: Final = 5


class UnusablePayload(ValueError):  # noqa: N818 tenants read it as the error's type
    """The payload is not what the task type takes; the message says where and why, and repeats nothing of it."""

    def __init__(self, told: Sequence[dict[str, str]]) -> None:
        """``told`` are the first faults, each with a ``pointer`` and a ``detail``."""
        super().__init__("; ".join(f"{fault['pointer']}: {fault['detail']}" for fault in told[:_MAX_TOLD]))
        self.faults = list(told)


def read(task_type: TaskType, payload: str) -> Any:
    """Return the payload as the function takes it; raises ``UnusablePayload``.

    JSON mode, strict: "5", true and 5.0 are no integers, but a date may be written as JSON can write it. What is read
    is the text itself: the same value as a Python object would be refused, where the model is strict.
    """
    try:
        return task_type.validator.validate_json(payload, strict=True)
    except ValidationError as error:
        raise UnusablePayload(_faults(error)) from None


def _faults(error: ValidationError) -> list[dict[str, str]]:
    if error.error_count() > _MAX_FAULTS:
        return [{"pointer": "#/payload", "detail": f"It has more than {_MAX_FAULTS} faults"}]
    return [
        {"pointer": faults.pointer("payload", *fault["loc"]), "detail": faults.detail(fault)}
        for fault in error.errors(include_url=False, include_context=False, include_input=False)
    ]
