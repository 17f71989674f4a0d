"""Validate a submit and turn it into a task that can be stored."""

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, TypeVar
from uuid import UUID

from pydantic_core import to_json

from app.core import ids, suggestions
from app.core.config import get_settings
from app.core.errors import InvalidRequest
from app.outbound import urls
from app.tasks.definition import payloads, types
from app.tasks.definition.own_types import NO_TYPES, OwnType, OwnTypesNeeded
from app.tasks.schemas import DEFAULT_PRIORITY, DEFAULT_TASK, SubmitOptions, SubmitRequest
from app.tasks.submit.new_tasks import NewTask
from app.tenants.plans import Limits

# The payload of a submit without one.
_NOTHING: Final = b"{}"
_Number = TypeVar("_Number", int, float)


def new_task(
    tenant_id: UUID,
    limits: Limits,
    request: SubmitRequest,
    traceparent: str | None,
    own: Mapping[str, OwnType] | None = NO_TYPES,
) -> NewTask:
    """Return the task that a submit requests. ``limits`` are those of the tenant. Raises ``InvalidRequest``.

    ``own`` are the tenant's own task types. If it is None they are not known: then another name than one of the
    operator's types raises ``OwnTypesNeeded``.
    """
    task_type = _type(DEFAULT_TASK if request.task is None else request.task, own)
    payload = to_json(request.payload)
    # A null payload means the same as a missing one, unless null is a value of this task type.
    if request.payload is None and not (isinstance(task_type, types.TaskType) and _takes_null(task_type)):
        payload = _NOTHING
    text = payload.decode()
    if isinstance(task_type, types.TaskType):
        _check(task_type, payloads.check, text)
    else:
        _check_own(task_type, {} if request.payload is None else request.payload)
    if len(payload) > limits.payload_bytes:
        raise _invalid("/payload", f"larger than the {limits.payload_bytes} bytes of this plan")
    return _task(tenant_id, task_type, text, request, traceparent)


def repeated_task(
    tenant_id: UUID,
    payload: str,
    request: SubmitOptions,
    task_name: str,
    traceparent: str | None,
    own: Mapping[str, OwnType] | None = NO_TYPES,
) -> NewTask:
    """Return a task with the same request as one that was accepted before. Raises the same as ``new_task``.

    ``payload`` is the stored JSON text. Its size is not checked: a limit that was lowered since then applies only to
    new payloads.
    """
    task_type = _type(task_name, own)
    if isinstance(task_type, types.TaskType):
        # As a worker reads it: the model may have lost a member since this payload was accepted.
        _check(task_type, payloads.read, payload)
    else:
        _check_own(task_type, json.loads(payload))
    return _task(tenant_id, task_type, payload, request, traceparent)


def _type(name: str, own: Mapping[str, OwnType] | None) -> types.TaskType | OwnType:
    task_type = types.find(name)
    if task_type is None:
        if own is None:
            raise OwnTypesNeeded(name)
        if name in own:
            return own[name]
        meant = suggestions.did_you_mean(name, [*types.all_types(), *own])
        raise _invalid("/task", f"This task type is unknown.{meant} GET /api/task-types lists all.")
    return task_type


def _task(
    tenant_id: UUID,
    task_type: types.TaskType | OwnType,
    payload: str,
    request: SubmitOptions,
    traceparent: str | None,
) -> NewTask:
    if request.webhook_url is not None and (fault := _url_fault(request.webhook_url)):
        raise _invalid("/webhook_url", fault)
    # Positional, in the order of NewTask: keywords take three times as long, and a batch has a thousand tasks.
    return NewTask(
        tenant_id,
        ids.new_id(),
        task_type.name,
        task_type.pool,
        DEFAULT_PRIORITY if request.priority is None else request.priority,
        payload,
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
        json.dumps(request.metadata) if request.metadata else None,
    )


def without_nulls(body: Any) -> Any:
    """Return the parsed body of a submit without its null members, which mean the same as missing ones.

    A null payload stays if the task type accepts null. Any value may come in, because nothing is validated yet.
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
        payloads.read(task_type, "null")
    except payloads.UnusablePayload:
        return False
    return True


def _at_most(own: _Number, asked: _Number | None) -> _Number:
    return own if asked is None else min(own, asked)


def _check(task_type: types.TaskType, check: Callable[[types.TaskType, str], Any], payload: str) -> None:
    try:
        check(task_type, payload)
    except payloads.UnusablePayload as unusable:
        raise _misfit(task_type.name, unusable) from None


def _check_own(task_type: OwnType, payload: Any) -> None:
    try:
        task_type.check_payload(payload)
    except payloads.UnusablePayload as unusable:
        raise _misfit(task_type.name, unusable) from None


def _misfit(name: str, unusable: payloads.UnusablePayload) -> InvalidRequest:
    detail = f"The payload is not valid for {name}. Correct each place that errors names."
    return InvalidRequest(detail, errors=unusable.faults)


@lru_cache(maxsize=256)
def _url_fault(webhook_url: str) -> str | None:
    # Cached, because this check costs as much as all others together, and the tasks of a batch usually share a URL.
    return urls.validation_error(webhook_url, get_settings().webhook_allowed_networks)


def _invalid(pointer: str, detail: str) -> InvalidRequest:
    return InvalidRequest(
        "The request is not valid. Correct each place that errors names.",
        errors=[{"pointer": f"#{pointer}", "detail": detail}],
    )
