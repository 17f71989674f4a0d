"""The ticket as it lies in Redis: the message that the pinned Celery and kombu would have written.

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

# In Celery's order; the sender's name (origin, reply_to) and texts for its log (the reprs) are empty.
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
# What Celery itself writes for its log and for replies, which lead nowhere: a reader takes none of it.
_FREE_HEADERS: Final = {name: _HEADERS[name] for name in ("argsrepr", "kwargsrepr", "origin")}
_FREE_PROPERTIES: Final = {"reply_to": _PROPERTIES["reply_to"]}
# What differs from ticket to ticket.
_BLANK_HEADERS: Final = {name: _HEADERS[name] for name in ("id", "root_id")}
_BLANK_PROPERTIES: Final = {name: _PROPERTIES[name] for name in ("correlation_id", "delivery_tag", "delivery_info")}
_ID: Final = re.compile("[!-~]{1,64}")
# Ours have some 900; Celery's, with texts for its log, some more.
_MAX_BYTES: Final = 4096
_BODY: Final = [["{tenant}"], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]


def _template(document: object, *fields: str) -> str:
    """Turn a document into a ``%`` template: serialising it for each ticket would cost ten times as much."""
    text = json.dumps(document)
    for field in fields:
        text = text.replace(f"{{{field}}}", f"%({field})s")
    return text


_MESSAGE_TEMPLATE: Final = _template(_MESSAGE, "id", "queue", "tag", "body")
_BODY_TEMPLATE: Final = _template(_BODY, "tenant")


def ticket(tenant_id: UUID, queue: str) -> str:
    """Write one ticket of the tenant for the queue; each has an id and a delivery tag of its own."""
    body = b64encode((_BODY_TEMPLATE % {"tenant": tenant_id}).encode()).decode()
    return _MESSAGE_TEMPLATE % {"id": _random_id(), "queue": queue, "tag": _random_id(), "body": body}


def read(raw: bytes, queue: str) -> dict[str, Any] | None:
    """Return the message of a ticket that lay in this queue; None for what is no ticket, whatever else it is.

    Celery and kombu act on many members (times, limits, callbacks) and fail on those that they do not expect. So
    nothing reaches them but what ``ticket`` writes: only the ids differ.
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
    """Return the message of a ticket, as ``read``; what is none is dropped with a warning."""
    message = read(raw, queue)
    if message is None:
        _log.warning("dropped what is no ticket from a tenant's queue", extra={"queue": queue, "bytes": len(raw)})
    return message


def _random_id() -> str:
    """Return 128 random bits in the shape of Celery's ids; ``uuid4`` takes three times as long."""
    text = urandom(16).hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
