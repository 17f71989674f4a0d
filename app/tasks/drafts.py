"""From what a submit says to a task as it is to be stored."""

import json
from functools import lru_cache
from typing import TypeVar
from uuid import UUID

from pydantic import ValidationError
from pydantic_core import to_json

from app.core import ids, problem
from app.core.config import get_settings
from app.core.errors import InvalidRequest
from app.tasks import types
from app.tasks.new_tasks import NewTask
from app.tasks.schemas import SubmitRequest
from app.tenants.plans import Limits
from app.webhooks import urls

_Number = TypeVar("_Number", int, float)


def task(tenant_id: UUID, limits: Limits, request: SubmitRequest, traceparent: str | None) -> NewTask:
    """Return the task that is asked for. Raises ``InvalidRequest``."""
    task_type = types.find(request.task)
    if task_type is None:
        raise _invalid("/task", "unknown task type: GET /api/task-types lists them")
    payload = to_json(request.payload)
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
        request.priority,
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
    if error.error_count() > problem.MAX_FAULTS:
        faults: list[dict[str, str]] = problem.too_many_faults("payload").extensions["errors"]
        return faults
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
