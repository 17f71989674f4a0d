"""Submit, read and cancel a task for a caller of the Model Context Protocol, as the routers do it."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any, Final
from uuid import UUID

from mcp_types import CallToolResult, TextContent
from starlette.requests import Request

from app.core import ids
from app.core.errors import InvalidRequest, NotFound, Unavailable
from app.http import event_stream
from app.identity.dependencies import permitted
from app.identity.principal import Principal
from app.identity.scopes import TASKS_READ, TASKS_WRITE
from app.tasks import responses
from app.tasks.parts import TaskParts
from app.tasks.read.reading import Caller
from app.tasks.run import cancellation
from app.tasks.schemas import SubmitRequest
from app.tasks.submit import idempotency, validation
from app.tasks.submit.new_tasks import Idempotency, TaskSpecs
from app.tenants import plans

WAIT_SECONDS: Final = 25.0
"""Seconds for which a call may wait for the end of a task. Proxies and clients usually give up after 60 s."""
IDEMPOTENCY_KEY: Final = "task-queue/idempotency-key"
"""The member of ``_meta`` that has the key of a call. The protocol asks for a prefix in front of such names."""


def caller_of(request: Request) -> Principal:
    """Return the caller, whom the endpoint has checked."""
    principal: Principal = request.scope["state"]["principal"]
    return principal


async def submit(request: Request, name: str, payload: Any, meta: Mapping[str, Any] | None) -> UUID:
    """Store a task, and return its id. Raises what the same submit over the API would raise.

    ``meta`` is the ``_meta`` of the call. Two calls with the same idempotency key make one task.
    """
    principal, parts = permitted(caller_of(request), TASKS_WRITE), TaskParts.of(request)
    limits = plans.limits_of(principal)
    task = validation.new_task(principal.tenant_id, limits, SubmitRequest(task=name, payload=payload), None)
    decided = await parts.acceptor.accept(
        TaskSpecs(principal.tenant_id, limits, (task,)), _idempotency(name, payload, meta or {})
    )
    return responses.require_accepted(decided, limits, ()).task_ids[0]


def _idempotency(name: str, payload: Any, meta: Mapping[str, Any]) -> Idempotency | None:
    # Nothing is derived from the message: clients number their messages from 0, each for itself.
    key = meta.get(IDEMPOTENCY_KEY)
    if key is None:
        return None
    if not isinstance(key, str):
        raise InvalidRequest(f"Send a text of 1 to 255 printable ASCII characters as {IDEMPOTENCY_KEY}.")
    # The same request over the API has the same fingerprint.
    request = validation.without_nulls({"task": name, "payload": payload})
    return Idempotency(idempotency.read_key(key), idempotency.fingerprint(request))


async def status(request: Request, task_id: UUID) -> dict[str, Any]:
    """Return what ``GET /api/tasks/{task_id}/status`` returns. Raises ``NotFound``."""
    principal = permitted(caller_of(request), TASKS_READ)
    found: dict[str, Any] = json.loads((await TaskParts.of(request).reading.status(principal.tenant_id, task_id)).body)
    return found


async def outcome(request: Request, task_id: UUID, wait: float = 0.0) -> CallToolResult | None:
    """Return the outcome of a task, or None if it has not ended within ``wait`` seconds."""
    principal, parts = permitted(caller_of(request), TASKS_READ), TaskParts.of(request)
    caller = Caller(
        # The call may wait for 25 s, and the key may be revoked meanwhile.
        still_may=partial(parts.verifier.authenticate, request.scope, is_again=True),
        gone=partial(event_stream.until_gone, request.receive),
    )
    found = await parts.reading.result(principal.tenant_id, task_id, min(wait, WAIT_SECONDS), caller)
    if found is None:
        raise Unavailable("The client has disconnected.")
    return _result(json.loads(found.body)) if found.has_ended else None


def _result(ended: dict[str, Any]) -> CallToolResult:
    if ended["status"] == "SUCCESS":
        value = ended["result"]
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        # The protocol allows only an object there. Any other result is in the text.
        structured = value if isinstance(value, dict) else None
        return CallToolResult(content=[TextContent(text=text)], structured_content=structured)
    error = ended["error"]
    told = f"{error['type']}: {error['message']}" if error else "The task was cancelled."
    return failed(told)


async def cancel(request: Request, task_id: UUID) -> None:
    """Ask a task to end. Raises ``NotFound``, and ``IllegalState`` for one that has ended."""
    principal, parts = permitted(caller_of(request), TASKS_WRITE), TaskParts.of(request)
    await cancellation.cancel(parts.reader, parts.redis, principal.tenant_id, task_id)


def patience(request: Request) -> float:
    """Return for how many seconds a call waits for the end of its task; ``Prefer: wait=N`` asks for fewer."""
    for preference in request.headers.get("prefer", "").split(","):
        name, _, seconds = preference.strip().partition("=")
        if name.lower() == "wait" and seconds.isdecimal():
            return min(float(seconds), WAIT_SECONDS)
    return WAIT_SECONDS


def read_id(text: str) -> UUID:
    """Return the id of a task. Raises ``NotFound``."""
    task_id = ids.read(text)
    if task_id is None:
        raise NotFound("There is no such task. Use the id that the submit returned.")
    return task_id


def failed(text: str) -> CallToolResult:
    """Return the result of a call that has failed: an agent reads it, and may correct its call."""
    return CallToolResult(content=[TextContent(text=text)], is_error=True)
