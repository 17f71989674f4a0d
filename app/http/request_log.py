"""The outermost layer of the API: it gives each request an id, and writes one log line for it."""

import logging
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from time import perf_counter
from typing import Any, Final, TypeAlias

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core import ids
from app.core import logging as structured_logging
from app.core.ids import new_id
from app.http import problem
from app.http.version import API_VERSION

_log = logging.getLogger(__name__)
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_CLIENT_GONE: Final = 499
_VERSION: Final = (b"api-version", API_VERSION.encode())

_Headers: TypeAlias = list[tuple[bytes, bytes]]


class LoggedApp(FastAPI):
    """A FastAPI application with layers of its own around it, which answer most requests before FastAPI sees them."""

    front: "RequestLog"
    """The outermost layer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the layers answer an HTTP request. FastAPI handles everything else, for example the lifespan."""
        if scope["type"] == "http":
            scope["app"] = self
            await self.front(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    async def answer_by_fastapi(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let FastAPI answer a request: the innermost layer."""
        await super().__call__(scope, receive, send)


class RequestLog:
    """ASGI middleware. The id is in ``scope["state"]["request_id"]``.

    Every response has the headers X-Request-ID and API-Version. A layer that adds more headers to the answer, even to
    an error, puts them into ``scope["state"]["headers"]``.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap ``app``; add it last, so that it is outermost."""
        self._app = app

    def insert(self, layer: Callable[[ASGIApp], ASGIApp]) -> None:
        """Put another layer directly below this one. ``layer`` is given the app that it wraps."""
        self._app = layer(self._app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request and log it. An unexpected error becomes a 500 here, because here the id is known."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        response = _Response(send, request_id(scope), state)
        state["request_id"] = response.request_id
        try:
            await self._app(scope, receive, response.send)
        except Exception as error:
            if not response.status:
                problem.log_internal(scope, error)
                await problem.render_internal(scope)(scope, receive, response.send)
            elif response.status != HTTPStatus.INTERNAL_SERVER_ERROR:
                raise  # the answer has begun, so the server can only end the connection
            # Otherwise Starlette has logged the error, answered with a 500, and raised the error again.
        finally:
            structured_logging.write(_log, "request", _facts(scope, response))


class _Response:
    """Observes the messages of a response on their way to the server."""

    __slots__ = ("_send", "_started", "_state", "request_id", "status")

    def __init__(self, send: Send, request_id: str, state: dict[str, Any]) -> None:
        self._send = send
        self._state = state
        self._started = perf_counter()
        self.request_id = request_id
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] += ((b"x-request-id", self.request_id.encode()), _VERSION)
            if more := self._state.get("headers"):
                message["headers"] = _with(message["headers"], more)
        await self._send(message)

    @property
    def duration_ms(self) -> float:
        return round((perf_counter() - self._started) * 1000, 2)


def request_id(scope: Scope) -> str:
    """Return the caller's own id for the request if it is safe to log, otherwise a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given = value.decode("latin-1")
            return given if _REQUEST_ID.fullmatch(given) else str(new_id())
    return str(new_id())


def _with(headers: _Headers, more: Mapping[str, str]) -> _Headers:
    """Return the headers of an answer with ``more``. A header of ``more`` replaces those of the same name."""
    added = {name.lower().encode(): value.encode("latin-1") for name, value in more.items()}
    return [header for header in headers if header[0] not in added] + list(added.items())


def _task_id(scope: Scope) -> str | None:
    """Return the id of the task in the path, or None. A text that is no id stays out of the log."""
    named = scope.get("path_params", {}).get("task_id")
    return named and ids.canonical(named)


def _facts(scope: Scope, response: _Response) -> dict[str, Any]:
    # The template and never the path, so that a text which the caller has put there stays out of the log.
    state = scope["state"]
    facts = {
        "method": scope["method"],
        "route": getattr(scope.get("route"), "path", None),
        "status": response.status or _CLIENT_GONE,
        "duration_ms": response.duration_ms,
        "request_id": response.request_id,
        "code": state.get("code"),
        "task_id": state.get("task_id") or _task_id(scope),
        "trace_id": state.get("trace_id"),
    }
    caller = state.get("principal")
    if caller:
        facts |= {"tenant_id": str(caller.tenant_id), "key_id": caller.key_id}
    return facts
