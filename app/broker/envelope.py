"""The ticket as it lies in Redis: the message that the pinned Celery and kombu would have written.

tests/broker compares it, byte for byte, with ``run_next.apply_async``.
"""

import json
from base64 import b64encode
from os import urandom
from typing import Any, Final
from uuid import UUID

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


def queue_of(ticket: bytes) -> str:
    """Read of a ticket in which queue it lay; an empty string of what is no ticket."""
    try:
        return str(json.loads(ticket)["properties"]["delivery_info"]["routing_key"])
    except (ValueError, LookupError, TypeError):
        return ""


def _random_id() -> str:
    """Return 128 random bits in the shape of Celery's ids; ``uuid4`` takes three times as long."""
    text = urandom(16).hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
