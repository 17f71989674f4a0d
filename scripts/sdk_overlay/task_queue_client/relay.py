"""Relay the feed to a local address, as the webhooks that the service would send: for development."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from typing import Any

import httpx

from . import writing
from ._sync.client import TaskQueue
from .errors import APIError
from .models import Event, EventData

_ENDS = {"task.succeeded", "task.failed", "task.revoked"}
_TIMEOUT = 15.0
_LARGEST_RESULT = 65_536
_PREFIX = "whsec_"


def new_secret() -> str:
    """Return a secret for signatures."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def run(client: TaskQueue, url: str, secret: str, *, after: str | None, say: Callable[[str], None]) -> None:
    """Send each end of a task to the URL; say what was answered. It goes on until the caller ends it."""
    key = _key(secret)
    # The address is local: a proxy of the environment has no business here.
    with httpx.Client(timeout=_TIMEOUT, trust_env=False) as http, client.events(after=after) as events:
        say(f"Relaying {client.base_url} to {url}; Ctrl-C ends it.")
        for event in events:
            if event.type in _ENDS and isinstance(event.data, EventData):
                body = writing.body(_webhook(client, event, event.data))
                say(f"{event.type} {event.data.task_id}: {_send(http, url, body, _headers(event, body, key))}")


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except ValueError:
        raise ValueError("the secret must be whsec_ and base64, as tq listen prints it") from None


def _send(http: httpx.Client, url: str, body: bytes, headers: dict[str, str]) -> str:
    try:
        response = http.post(url, content=body, headers=headers)
    except httpx.HTTPError as error:
        return f"{type(error).__name__}: {error}"
    return f"answered {response.status_code}"


def _webhook(client: TaskQueue, event: Event, data: EventData) -> dict[str, Any]:
    told: dict[str, Any] = {
        "task_id": data.task_id,
        "task": data.task,
        "attempt_count": data.attempt_count,
        "tags": data.tags,
        "status": data.status,
    }
    if event.type == "task.succeeded":
        told |= _result(client, data)
    else:
        told["error"] = data.error and {
            "type": data.error.type,
            "message": data.error.message,
            "attempt": data.error.attempt,
        }
    return {"type": event.type, "timestamp": event.created_at, "data": told}


def _result(client: TaskQueue, data: EventData) -> dict[str, Any]:
    try:
        result = client.tasks.result(data.task_id)
    except APIError as error:
        # Erased meanwhile, or past its retention; a key that may not read it is worth a complaint.
        if error.status not in {404, 410}:
            raise
        return {"result": None, "result_omitted": True}
    if len(json.dumps(result, ensure_ascii=False).encode()) > _LARGEST_RESULT:
        return {"result": None, "result_omitted": True}
    return {"result": result}


def _headers(event: Event, body: bytes, key: bytes) -> dict[str, str]:
    webhook_id, timestamp = f"msg_{event.id.removeprefix('evt_')}", str(int(time.time()))
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return {
        "Content-Type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{signature}",
    }
