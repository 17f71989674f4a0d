"""The form of a webhook endpoint: its values, and the body that they make (pure)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, get_args

from app.console.forms import Form
from app.console.task_filters import WITHIN
from app.core.errors import InvalidRequest
from app.webhooks.endpoints.schemas import DEFAULT_TYPES, Endpoint, EventTypeName

EVENTS: Final[Mapping[EventTypeName, str]] = {
    "task.succeeded": "A task has ended with a result.",
    "task.failed": "A task has failed for good.",
    "task.revoked": "A task was cancelled, or not started in time.",
    "task.retrying": "An attempt has failed, and another one follows.",
    "endpoint.failing": "Deliveries to one of your endpoints fail.",
    "endpoint.disabled": "One of your endpoints was disabled.",
    "quota.reached": "80 or 100 % of the tasks of a day or month are used.",
    "key.expiring": "An API key expires within 7 days.",
    "schedule.skipped": "A schedule made no task at one of its times.",
}
"""The types of events that an endpoint may ask for, for people."""
assert EVENTS.keys() == {*get_args(EventTypeName)}  # noqa: S101 a new type needs its words here

_TEXTS: Final = ("url", "description", "tasks", "tags", "headers", "rate_per_second")
_MAX_DIGITS: Final = 9


def empty() -> dict[str, Any]:
    """Return the values of a form for a new endpoint."""
    return {**dict.fromkeys(_TEXTS, ""), "event_types": list(DEFAULT_TYPES)}


def values_of(endpoint: Endpoint) -> dict[str, Any]:
    """Return the values of a form for an endpoint as it is. The values of its headers are not known."""
    chosen = endpoint.filter
    return {
        "url": endpoint.url,
        "description": endpoint.description or "",
        "tasks": ", ".join((chosen and chosen.tasks) or []),
        "tags": ", ".join((chosen and chosen.tags) or []),
        "headers": "",
        "rate_per_second": "" if endpoint.rate_per_second is None else str(endpoint.rate_per_second),
        "event_types": endpoint.event_types,
    }


def values(form: Form) -> dict[str, Any]:
    """Return the values that a person has sent, to show them again."""
    return {**{name: form.get(name) for name in _TEXTS}, "event_types": form.all("event_type")}


def body(form: Form) -> dict[str, Any]:
    """Return the body of the API's call. Headers are left out unless there are new ones, or all are taken away."""
    sent = values(form)
    chosen = {name: _listed(sent[name]) for name in ("tasks", "tags") if sent[name]}
    made: dict[str, Any] = {
        "url": sent["url"],
        "event_types": sent["event_types"],
        "filter": chosen or None,
        "description": sent["description"] or None,
        "rate_per_second": _number(sent["rate_per_second"]),
    }
    # The page cannot show their values, so an empty field must not delete them.
    if sent["headers"] or form.get("no_headers"):
        made["headers"] = _headers(sent["headers"])
    return made


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _headers(text: str) -> dict[str, str]:
    lines = [line.partition(":") for line in text.splitlines() if line.strip()]
    return {name.strip(): value.strip() for name, _, value in lines}


def _number(text: str) -> int | str | None:
    # The model refuses a text.
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else text or None


def since(text: str, now: datetime) -> str:
    """Return the time that a choice of a past time means: one of ``WITHIN``, or a time as it stands."""
    if not text:
        raise InvalidRequest("Choose a time.")
    return (now - timedelta(minutes=WITHIN[text])).isoformat() if text in WITHIN else text
