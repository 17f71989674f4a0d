"""What a submit sends."""

from collections.abc import Mapping
from typing import Any

from .calls import keyed
from .task_types import TaskOptions

NOTHING: Any = object()
"""Stands for a payload that was not given: None is a payload."""


class SubmitOptions(TaskOptions, total=False):
    """The options of a submit."""

    idempotency_key: str
    """The same key within 24 hours is the same task. Default: a key of its own for each submit."""
    traceparent: str
    """The W3C trace context to store with the task."""


def split(task: str, payload: Any, options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the body and the headers of a submit."""
    body = {name: value for name, value in options.items() if name not in {"idempotency_key", "traceparent"}}
    body["task"] = task
    if payload is not NOTHING:
        body["payload"] = payload
    return body, keyed(options.get("idempotency_key"), options.get("traceparent"))
