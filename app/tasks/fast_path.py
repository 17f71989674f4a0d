"""Answer submit, batch, status and result in front of FastAPI, whose routing costs more than their work.

Only ordinary requests are answered here. The method, path and headers decide this before the body is read. All other
requests go to the route of the same path (the twin), which the API document describes. A test compares both answers.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeAlias
from uuid import UUID

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.ids import UUID_IN_ANY_CASE
from app.http import strict_json
from app.identity import scopes
from app.identity.dependencies import authenticate, permitted
from app.identity.principal import Principal
from app.quotas import dependencies as quotas
from app.quotas.limits import Remaining
from app.tasks import bodies, responses
from app.tasks.callers import waiting_caller
from app.tasks.large_bodies import LargeBodies
from app.tasks.schemas import BATCH_BOUNDS

_Answer: TypeAlias = Callable[[Request], Awaitable[Response]]

_READ: Final = re.compile(rf"/api/tasks/({UUID_IN_ANY_CASE})/(status|result)")
_WAIT: Final = re.compile(rb"(?:wait=([0-9]|[12][0-9]|30))?")
# Unquoted printable ASCII only. Quoted keys need unquoting, which the regular route does.
_IDEMPOTENCY_KEY: Final = re.compile(rb"[!#-~]{1,255}")


class FastPath:
    """ASGI middleware that answers ordinary task calls. It stands inside the request log."""

    def __init__(self, app: ASGIApp, routes: Iterable[Any], handlers: Mapping[Any, Any]) -> None:
        """``routes`` contains the twins, whose paths the request log needs; ``handlers`` render errors, by type."""
        self._app = app
        self._twins = {route.operation_id: route for route in routes if isinstance(route, APIRoute)}
        self._handlers = handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an ordinary request; pass every other one on."""
        ordinary = _ordinary(scope) if scope["type"] == "http" else None
        if ordinary is None:
            await self._app(scope, receive, send)
            return
        operation_id, answer = ordinary
        scope["route"] = self._twins[operation_id]
        request = Request(scope, receive)
        try:
            response = await answer(request)
        except Exception as error:  # noqa: BLE001 there is a handler for each
            response = await self._handler(error)(request, error)
        await response(scope, receive, send)

    def _handler(self, error: Exception) -> Callable[[Request, Exception], Awaitable[Response]]:
        return next(self._handlers[kind] for kind in type(error).__mro__ if kind in self._handlers)  # type: ignore[no-any-return]


def _ordinary(scope: Scope) -> tuple[str, _Answer] | None:
    """Return the operation of an ordinary request and its handler; None if the twin must answer it."""
    path, method = scope["path"], scope["method"]
    if method == "POST" and path in _SUBMITS and not scope["query_string"]:
        headers = dict(scope["headers"])
        key = headers.get(b"idempotency-key")
        # Two headers of one name may differ, so the twin decides which of them counts.
        is_plain = len(headers) == len(scope["headers"]) and b"traceparent" not in headers
        if not is_plain or (key is not None and not _IDEMPOTENCY_KEY.fullmatch(key)):
            return None
        operation_id, answer = _SUBMITS[path]
        return operation_id, partial(quotas.answer_submit, answer=partial(answer, key=key and key.decode()))
    if method == "GET" and (read := _READ.fullmatch(path)):
        task_id = UUID(read[1])
        scope.setdefault("state", {})["task_id"] = read[1]
        query = scope["query_string"]
        if read[2] == "status":
            return None if query else ("get_task_status", partial(_status, task_id=task_id))
        wait = _WAIT.fullmatch(query)
        if wait and not any(name == b"prefer" for name, _ in scope["headers"]):
            return "get_task_result", partial(_result, task_id=task_id, wait=int(wait[1] or 0))
    return None


async def _submit(request: Request, key: str | None) -> Response:
    principal, rate = await _submitter(request)
    large_bodies: LargeBodies = request.app.state.large_bodies
    with large_bodies.receiving(principal.tenant_id, request.scope["headers"], strict_json.MAX_BODY_BYTES):
        raw = await strict_json.read(request)
        read = partial(bodies.read_submit, principal, raw, key)
        accepted, limits = await bodies.accept(request, principal, raw, read, rate)
        request.scope["state"]["task_id"] = str(accepted.task_ids[0])
        return responses.accepted(accepted, limits, rate)


async def _batch(request: Request, key: str | None) -> Response:
    principal, rate = await _submitter(request)
    large_bodies: LargeBodies = request.app.state.large_bodies
    with large_bodies.receiving(principal.tenant_id, request.scope["headers"], BATCH_BOUNDS.size):
        raw = await strict_json.read(request, BATCH_BOUNDS)
        read = partial(bodies.read_batch, principal, raw, key)
        accepted, limits = await bodies.accept(request, principal, raw, read, rate)
        return responses.batch(accepted, limits, rate)


_SUBMITS: Final = {"/api/tasks/submit": ("submit_task", _submit), "/api/tasks/batch": ("submit_tasks", _batch)}


async def _submitter(request: Request) -> tuple[Principal, Sequence[Remaining]]:
    """Return the caller and its remaining rate. Both are checked before the body is read."""
    principal = permitted(await authenticate(request), scopes.TASKS_WRITE)
    return principal, await quotas.admit(request, principal)


async def _status(request: Request, task_id: UUID) -> Response:
    principal = await _reader(request)
    return responses.status(await request.app.state.reading.status(principal.tenant_id, task_id))


async def _result(request: Request, task_id: UUID, wait: int) -> Response:
    principal = await _reader(request)
    return responses.result(
        await request.app.state.reading.result(principal.tenant_id, task_id, wait, waiting_caller(request))
    )


async def _reader(request: Request) -> Principal:
    principal = permitted(await authenticate(request), scopes.TASKS_READ)
    await quotas.count(request, principal)
    return principal
