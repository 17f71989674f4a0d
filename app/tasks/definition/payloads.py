"""Read a task's payload from its JSON, in the same way at submit and in each attempt."""

from collections.abc import Sequence
from typing import Any, Final

from pydantic import ValidationError

from app.core import validation_errors
from app.tasks.definition.types import TaskType

# Describing an error costs time, and one payload can contain a hundred thousand of them.
_MAX_FAULTS: Final = 20
# The errors that fit into the message of a failed attempt.
_MAX_TOLD: Final = 5


class UnusablePayload(ValueError):  # noqa: N818 tenants read it as the error's type
    """The payload does not match its task type; the message says where and why, without repeating the input."""

    def __init__(self, told: Sequence[dict[str, str]]) -> None:
        """``told`` are the first faults, each with a ``pointer`` and a ``detail``."""
        super().__init__("; ".join(f"{fault['pointer']}: {fault['detail']}" for fault in told[:_MAX_TOLD]))
        self.faults = list(told)


def read(task_type: TaskType, payload: str) -> Any:
    """Return the payload as the function takes it; raises ``UnusablePayload``.

    JSON mode, strict: "5", true and 5.0 are not integers, but a string may be a date. It validates the text itself,
    because a strict model refuses such a string as a Python object.
    """
    try:
        return task_type.validator.validate_json(payload, strict=True)
    except ValidationError as error:
        raise UnusablePayload(_faults(error)) from None


def _faults(error: ValidationError) -> list[dict[str, str]]:
    if error.error_count() > _MAX_FAULTS:
        return [{"pointer": "#/payload", "detail": f"It has more than {_MAX_FAULTS} faults"}]
    return [
        {"pointer": validation_errors.pointer("payload", *fault["loc"]), "detail": validation_errors.detail(fault)}
        for fault in error.errors(include_url=False, include_context=False, include_input=False)
    ]
