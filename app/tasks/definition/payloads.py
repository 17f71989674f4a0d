"""Validate a task's payload. A submit and each attempt do it in the same way, but a submit has no unknown members."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from pydantic import ValidationError

from app.core import validation_errors
from app.tasks.definition.types import TaskType

# Describing an error costs time, and one payload can contain a hundred thousand of them.
_MAX_FAULTS: Final = 20
# The errors that fit into the message of a failed attempt.
_MAX_IN_MESSAGE: Final = 5


class UnusablePayload(ValueError):  # noqa: N818 tenants read it as the error's type
    """The payload does not match its task type; the message says where and why, without repeating the input."""

    def __init__(self, faults: Sequence[dict[str, str]]) -> None:
        """``faults`` are the first faults, each with a ``pointer`` (JSON pointer into the request) and a ``detail``."""
        super().__init__("; ".join(f"{fault['pointer']}: {fault['detail']}" for fault in faults[:_MAX_IN_MESSAGE]))
        self.faults = list(faults)


def read(task_type: TaskType, payload: str) -> Any:
    """Return a stored payload as an instance of the task type's model. ``payload`` is JSON. Raises ``UnusablePayload``.

    The validation is strict: "5", true and 5.0 are not integers, but a string may be a date. It reads the JSON text
    itself, because a strict model refuses a date as text in a Python object.
    """
    return _validated(task_type, task_type.validator.validate_json, payload)


def check(task_type: TaskType, payload: str) -> None:
    """Validate the payload of a submit as ``read`` does, and refuse members that the model does not have.

    Raises ``UnusablePayload``.
    """
    _validated(task_type, task_type.submit_validator.validate_json, payload)


def _validated(task_type: TaskType, validate: Callable[..., Any], payload: str) -> Any:
    try:
        return validate(payload, strict=True)
    except ValidationError as error:
        fields = getattr(task_type.payload, "model_fields", {})
        members = [field.alias or name for name, field in fields.items()]
        # from None: pydantic's own error quotes the input, and a traceback would show it.
        raise UnusablePayload(_faults(error, members, is_by_us=task_type.is_shipped)) from None


def _faults(error: ValidationError, members: Iterable[str], *, is_by_us: bool) -> list[dict[str, str]]:
    # The count is cheap; pydantic builds the descriptions only in ``errors()``.
    if error.error_count() > _MAX_FAULTS:
        return [{"pointer": "#/payload", "detail": f"It has more than {_MAX_FAULTS} faults"}]
    return [
        {
            "pointer": validation_errors.pointer("payload", *fault["loc"]),
            "detail": validation_errors.detail(fault, is_by_us=is_by_us)
            + validation_errors.hint(fault, fault["loc"], members),
        }
        for fault in error.errors(include_url=False, include_context=False, include_input=False)
    ]
