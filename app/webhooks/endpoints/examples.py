"""Examples of what endpoints get, for tests of an endpoint."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from app.events.types import EventType
from app.webhooks.schemas import WEBHOOK_EVENT

_NO_TASK: Final = "00000000-0000-7000-8000-000000000000"
_ERROR: Final = {"type": "ValueError", "message": "An example.", "attempt": 1}


def body(kind: str, endpoint_id: UUID, url: str) -> str:
    """Return the body of an example event of a type."""
    event_type, now = EventType(kind), datetime.now(UTC)
    if event_type.is_about_a_task:
        data = _task(event_type)
    elif event_type is EventType.QUOTA_REACHED:
        data = {"quota": "day", "percent": 80, "used": 800, "limit": 1_000, "resets_at": now + timedelta(hours=1)}
    elif event_type is EventType.KEY_EXPIRING:
        data = {"key_id": "example", "name": "An example", "expires_at": now + timedelta(days=7)}
    elif event_type is EventType.SCHEDULE_SKIPPED:
        data = _schedule(now)
    else:
        data = _endpoint(event_type, endpoint_id, url, now)
    # By the model of real events, so that an example cannot differ from them in its form.
    event = WEBHOOK_EVENT.validate_python({"type": kind, "timestamp": now, "data": data})
    return WEBHOOK_EVENT.dump_json(event, exclude_unset=True).decode()


def _task(event_type: EventType) -> dict[str, Any]:
    facts = {
        "task_id": _NO_TASK,
        "task": "echo",
        "attempt_count": 1,
        "tags": ["example"],
        "status": event_type.task_status,
    }
    if event_type is EventType.TASK_SUCCEEDED:
        return {**facts, "result": {"example": True}}
    return {**facts, "error": _ERROR}


def _schedule(now: datetime) -> dict[str, Any]:
    facts = {"schedule_id": _NO_TASK, "name": "an-example", "outcome": "missed", "reason": "late"}
    return {**facts, "fire_at": now - timedelta(hours=1), "count": 1, "until": None}


def _endpoint(event_type: EventType, endpoint_id: UUID, url: str, now: datetime) -> dict[str, Any]:
    facts = {"endpoint_id": endpoint_id, "url": url, "failing_since": now}
    return facts if event_type is EventType.ENDPOINT_FAILING else {**facts, "disabled_by": "failing"}
