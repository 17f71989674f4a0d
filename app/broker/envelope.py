"""The format of a ticket in Redis: the message that the pinned Celery and kombu would write.

tests/broker compares it, byte for byte, with ``run_next.apply_async``.
"""

import json
import logging
import re
from base64 import b64decode, b64encode
from os import urandom
from typing import Any, Final
from uuid import UUID

from app.broker.ring import tenant_of

_log = logging.getLogger(__name__)

TICKET_TASK: Final = "run_next"
"""Name of the Celery task that a ticket starts; its one argument is the tenant's id as a string."""

# In Celery's order. The sender's name (origin, reply_to) and the texts for Celery's log (the reprs) are empty.
_HEADERS: Final[dict[str, Any]] = {
    "lang": "py",
    "task": TICKET_TASK,
    "id": "{id}",
    "shadow": None,
    "eta": None,
    "expires": None,
    "group": None,
    "group_index": None,
    "retries": 0,
    "timelimit": [None, None],
    "root_id": "{id}",
    "parent_id": None,
    "argsrepr": "",
    "kwargsrepr": "",
    "origin": "",
    "ignore_result": True,
    "replaced_task_nesting": 0,
    "stamped_headers": None,
    "stamps": {},
}
_PROPERTIES: Final[dict[str, Any]] = {
    "correlation_id": "{id}",
    "reply_to": "",
    "delivery_mode": 2,
    "delivery_info": {"exchange": "", "routing_key": "{queue}"},
    "priority": 0,
    "body_encoding": "base64",
    "delivery_tag": "{tag}",
}
_MESSAGE: Final[dict[str, Any]] = {
    "body": "{body}",
    "content-encoding": "utf-8",
    "content-type": "application/json",
    "headers": _HEADERS,
    "properties": _PROPERTIES,
}
# Members that Celery itself fills, for its log and for replies that nobody reads. A reader replaces their values.
_FREE_HEADERS: Final = {name: _HEADERS[name] for name in ("argsrepr", "kwargsrepr", "origin")}
_FREE_PROPERTIES: Final = {"reply_to": _PROPERTIES["reply_to"]}
# Members that differ from ticket to ticket.
_BLANK_HEADERS: Final = {name: _HEADERS[name] for name in ("id", "root_id")}
_BLANK_PROPERTIES: Final = {name: _PROPERTIES[name] for name in ("correlation_id", "delivery_tag", "delivery_info")}
_ID: Final = re.compile("[!-~]{1,64}")
# Our tickets have about 900 bytes. Celery's own have a little more, because of the texts for its log.
_MAX_BYTES: Final = 4096
_BODY: Final = [["{tenant}"], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]


def _template(document: object, *fields: str) -> str:
    """Return a document as a ``%`` template: serialising it for each ticket would cost ten times as much."""
    text = json.dumps(document)
    for field in fields:
        text = text.replace(f"{{{field}}}", f"%({field})s")
    return text


_MESSAGE_TEMPLATE: Final = _template(_MESSAGE, "id", "queue", "tag", "body")
_BODY_TEMPLATE: Final = _template(_BODY, "tenant")


def ticket(tenant_id: UUID, queue: str) -> str:
    """Return a new ticket of the tenant for the queue, with a random id and delivery tag."""
    body = b64encode((_BODY_TEMPLATE % {"tenant": tenant_id}).encode()).decode()
    return _MESSAGE_TEMPLATE % {"id": _random_id(), "queue": queue, "tag": _random_id(), "body": body}


def read(raw: bytes, queue: str) -> dict[str, Any] | None:
    """Return the message of a ticket that was in this queue; None if ``raw`` is anything but a ticket.

    Celery and kombu act on many members (times, limits, callbacks) and fail on unexpected ones. Anyone who can write to
    Redis could use that. So only messages pass that ``ticket`` could have written, apart from the ids.
    """
    tenant = tenant_of(queue)
    if tenant is None or len(raw) > _MAX_BYTES:
        return None
    try:
        message = json.loads(raw)
        headers, properties = message["headers"] | _FREE_HEADERS, message["properties"] | _FREE_PROPERTIES
        ids = (headers["id"], headers["root_id"], properties["correlation_id"], properties["delivery_tag"])
        blank = {"headers": headers | _BLANK_HEADERS, "properties": properties | _BLANK_PROPERTIES, "body": "{body}"}
        is_ours = (
            message | blank == _MESSAGE
            and all(map(_ID.fullmatch, ids))
            and properties["delivery_info"] == {"exchange": "", "routing_key": queue}
            and json.loads(b64decode(message["body"], validate=True)) == [[str(tenant)], *_BODY[1:]]
        )
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return message | {"headers": headers, "properties": properties} if is_ours else None


def read_or_warn(raw: bytes, queue: str) -> dict[str, Any] | None:
    """Return the message of a ticket, as ``read`` does. If it is not a ticket, log a warning and return None."""
    message = read(raw, queue)
    if message is None:
        _log.warning("dropped a message that is not a ticket from a queue", extra={"queue": queue, "bytes": len(raw)})
    return message


def _random_id() -> str:
    """Return 128 random bits in the form of Celery's ids. ``uuid4`` would take three times as long."""
    text = urandom(16).hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
