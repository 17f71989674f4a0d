"""The outermost layer of the API: it gives each request an id, and writes one log line for it."""

import logging
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from time import perf_counter
from typing import Any, Final, TypeAlias

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core import facts as happenings
from app.core import ids
from app.core import logging as structured_logging
from app.core.ids import new_id
from app.http import problem, whole_answer
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

    def answer_now(self, scope: Scope) -> bool:
        """Answer a request that needs no ``await``, or return False: then call the application as usual."""
        scope["app"] = self
        return self.front.answer_now(scope)

    async def answer_by_fastapi(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let FastAPI answer a request: the innermost layer."""
        await super().__call__(scope, receive, send)


class RequestLog:
    """ASGI middleware. The id is in ``scope["state"]["request_id"]``.

    Every response has the headers X-Request-ID and API-Version. A layer that adds more headers to the answer, even to
    an error, puts them into ``scope["state"]["headers"]``.
    """

    def __init__(self, app: ASGIApp, ready: whole_answer.Ready | None = None) -> None:
        """Wrap ``app``; add it last, so that it is outermost. ``ready`` returns what ``app`` can answer at once."""
        self._app = app
        self._ready = ready

    def insert(self, layer: Callable[[ASGIApp], ASGIApp]) -> None:
        """Put another layer directly below this one. ``layer`` is given the app that it wraps."""
        self._app = layer(self._app)
        # The layer must see every request.
        self._ready = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request and log it. An unexpected error becomes a 500 here, because here the id is known."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        response = _Response(scope, send, perf_counter())
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
            _write(scope, response)

    def answer_now(self, scope: Scope) -> bool:
        """Answer and log a request without any ``await``. Return False if that is not possible."""
        started = perf_counter()
        if self._ready is None or (found := self._ready(scope)) is None:
            return False
        response = _Response(scope, _nowhere, started)
        if not response.write(found.status_code, found.raw_headers, bytes(found.body)):
            return False
        _write(scope, response)
        return True


class _Response:
    """Observes the messages of a response on their way to the server."""

    __slots__ = ("_send", "_started", "_state", "_write", "request_id", "status")

    def __init__(self, scope: Scope, send: Send, started: float) -> None:
        self._started = started
        self._send = send
        self._write = whole_answer.of(scope)
        self._state: dict[str, Any] = scope.setdefault("state", {})
        self.request_id = self._state["request_id"] = self._state.get("request_id") or request_id(scope)
        self.status = 0

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == whole_answer.NAME:
            status, headers, body = message["status"], message["headers"], message["body"]
            if not self.write(status, headers, body):
                await self.send({"type": "http.response.start", "status": status, "headers": headers})
                await self.send({"type": "http.response.body", "body": body})
            return
        if kind == "http.response.start":
            self.status = message["status"]
            message["headers"] = self._complete(message["headers"])
        await self._send(message)

    def write(self, status: int, headers: whole_answer.Headers, body: bytes) -> bool:
        """Write the whole response by the server's extension. Return False if the client does not read now."""
        if self._write is None or not self._write(status, self._complete(headers), body):
            return False
        self.status = status
        return True

    def _complete(self, headers: whole_answer.Headers) -> _Headers:
        complete = [*headers, (b"x-request-id", self.request_id.encode()), _VERSION]
        return _with(complete, more) if (more := self._state.get("headers")) else complete

    @property
    def duration_ms(self) -> float:
        return round((perf_counter() - self._started) * 1000, 2)


async def _nowhere(_message: Message) -> None:
    """Stand for ``send``, which an answer without ``await`` does not use."""


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


def _write(scope: Scope, response: _Response) -> None:
    facts = _facts(scope, response)
    structured_logging.write(_log, "request", facts)
    happenings.tell("request", facts)


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
