"""From what a submit says to a task as it is to be stored."""

import json
from functools import lru_cache
from typing import Any, Final, TypeVar
from uuid import UUID

from pydantic import ValidationError
from pydantic_core import to_json

from app.core import ids, problem
from app.core.config import get_settings
from app.core.errors import InvalidRequest
from app.tasks import types
from app.tasks.new_tasks import NewTask
from app.tasks.schemas import DEFAULT_PRIORITY, DEFAULT_TASK, SubmitRequest
from app.tenants.plans import Limits
from app.webhooks import urls

_MAX_FAULTS: Final = 100
_NOTHING: Final = b"{}"
_Number = TypeVar("_Number", int, float)


def task(tenant_id: UUID, limits: Limits, request: SubmitRequest, traceparent: str | None) -> NewTask:
    """Return the task that is asked for. Raises ``InvalidRequest``."""
    task_type = types.find(DEFAULT_TASK if request.task is None else request.task)
    if task_type is None:
        raise _invalid("/task", "unknown task type: GET /api/task-types lists them")
    payload = to_json(request.payload)
    if request.payload is None and not _takes_null(task_type):
        payload = _NOTHING
    _check_payload(task_type, payload)
    if len(payload) > limits.payload_bytes:
        raise _invalid("/payload", f"larger than the {limits.payload_bytes} bytes of this plan")
    if request.webhook_url is not None and (objection := _objection(request.webhook_url)):
        raise _invalid("/webhook_url", objection)
    # By place, in the order of NewTask: by name it takes three times as long, and a batch has a thousand.
    return NewTask(
        tenant_id,
        ids.new_id(),
        task_type.name,
        task_type.pool,
        DEFAULT_PRIORITY if request.priority is None else request.priority,
        payload.decode(),
        _at_most(task_type.max_attempts, request.max_attempts),
        _at_most(task_type.time_limit, request.timeout_seconds),
        request.delay_seconds or None,
        request.scheduled_at,
        request.expires_seconds,
        request.timeout_seconds,
        json.dumps(request.tags) if request.tags else None,
        request.webhook_url,
        None,
        traceparent,
    )


def meant(body: Any) -> Any:
    """Return a submit as it was sent, without the members that are null: these are as good as missing.

    A payload that is null stays where the task type takes null.
    """
    if type(body) is not dict or all(value is not None for value in body.values()):
        return body
    return {name: value for name, value in body.items() if value is not None or _is_null_payload(name, body)}


def _is_null_payload(name: str, body: dict[str, Any]) -> bool:
    if name != "payload":
        return False
    task = body.get("task")
    task_type = types.find(DEFAULT_TASK if task is None else task) if isinstance(task, str | None) else None
    return task_type is not None and _takes_null(task_type)


def _takes_null(task_type: types.TaskType) -> bool:
    try:
        task_type.validator.validate_json(b"null", strict=True)
    except ValidationError:
        return False
    return True


def _at_most(own: _Number, asked: _Number | None) -> _Number:
    return own if asked is None else min(own, asked)


def _check_payload(task_type: types.TaskType, payload: bytes) -> None:
    try:
        # JSON mode, strict: "5", true and 5.0 are no integers, but a date may be written as JSON can write it.
        task_type.validator.validate_json(payload, strict=True)
    except ValidationError as error:
        detail = f"The payload is not what {task_type.name} takes: see errors, and GET /api/task-types."
        raise InvalidRequest(detail, errors=_faults(error)) from None


def _faults(error: ValidationError) -> list[dict[str, str]]:
    if error.error_count() > _MAX_FAULTS:
        # Each costs time to describe, and a body has room for a hundred thousand.
        return [{"pointer": "#/payload", "detail": f"It has more than {_MAX_FAULTS} faults"}]
    return [
        {"pointer": problem.pointer("payload", *fault["loc"]), "detail": fault["msg"]}
        for fault in error.errors(include_url=False, include_context=False, include_input=False)
    ]


@lru_cache(maxsize=256)
def _objection(webhook_url: str) -> str | None:
    # Remembered: it costs as much as all the rest, and the tasks of a batch mostly have the same.
    return urls.objection(webhook_url, get_settings().webhook_allowed_networks)


def _invalid(pointer: str, detail: str) -> InvalidRequest:
    return InvalidRequest(
        "The request is not valid: see errors.", errors=[{"pointer": f"#{pointer}", "detail": detail}]
    )
