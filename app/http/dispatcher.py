"""Answer the operations before FastAPI sees them: its routing and validation cost more than the work of most calls."""

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any, Final, get_args, get_origin

from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.errors import Problem
from app.http.arguments import Arguments
from app.http.json_response import JsonResponse
from app.http.operation import Operation
from app.http.parts import Parts
from app.http.strict_json import Incoming

_READ: Final = "app.arguments"
"""The key of a scope for the arguments that were read when the operation was asked for an answer at once."""


class OperationRoute(APIRoute):
    """The route of one operation. The dispatcher calls it, and FastAPI routes to it and documents it."""

    operation: Operation

    @classmethod
    def add(cls, router: APIRouter, operation: Operation) -> None:
        """Add the route of an operation to a router."""
        router.add_api_route(
            operation.path,
            _documented(operation),
            methods=[operation.method],
            operation_id=operation.id,
            summary=operation.summary,
            status_code=operation.status,
            response_model=operation.answers[operation.status].model,
            responses=operation.responses(),
            dependencies=[operation.rate.documented(operation.scope)],
            route_class_override=cls,
        )

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """``endpoint`` is the function that ``add`` has made for an operation (``_documented``)."""
        super().__init__(path, endpoint, **options)
        operation: Operation = endpoint.operation  # type: ignore[attr-defined]
        parameters = inspect.signature(operation.handler, eval_str=True).parameters
        self.operation = operation
        self._arguments = Arguments(self.dependant)
        self._given = tuple(operation.rate.gives & parameters.keys())
        self._takes_request = "request" in parameters
        self._parts = next(((name, kind) for name, kind in _types(parameters) if _is_parts(kind)), None)
        self._body = _body_model(parameters)
        # The value of ``body`` for a request without one; none if the request must have one.
        self._without_body = parameters["body"].default if self._body else inspect.Parameter.empty
        # At the start of the process, and not at the first request that would fail.
        self._check_received(parameters.keys())
        self._ready_names = tuple(inspect.signature(operation.ready).parameters) if operation.ready else ()
        if not set(self._ready_names) <= parameters.keys() - {"request", "body"}:
            raise ValueError(f"{self.operation.id} and what answers it at once must have the same parameters.")

    def _check_received(self, names: Iterable[str]) -> None:
        """Raise ``ValueError`` for a parameter of the handler that nothing gives, for example a cookie."""
        parts = {self._parts[0]} if self._parts else set()
        given = {"request", "body", *self._given, *parts, *self._arguments.names}
        if missing := [name for name in names if name not in given]:
            raise ValueError(f"{self.operation.id} would never receive {', '.join(missing)}.")

    def hides(self, operation: Operation) -> bool:
        """Return whether this route, if it came first, would answer the requests of the operation."""
        return operation.method == self.operation.method and self.path_regex.match(operation.path) is not None

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the function by which FastAPI answers the operation."""
        return self.answer

    async def answer(self, request: Request) -> Response:
        """Answer a request: admit the caller, read the parameters, then the body, and call the handler.

        The order matters: a caller without permission learns nothing about the parameters, and its body is not read.
        Raises ``RequestValidationError`` and ``Problem``.
        """
        operation = self.operation
        given = await operation.rate.admit(request, operation.scope)
        try:
            arguments: dict[str, Any] = request.scope.pop(_READ, None) or self._arguments.read(request.scope)
            for name in self._given:
                arguments[name] = given[name]
            if self._takes_request:
                arguments["request"] = request
            if self._parts is not None:
                name, kind = self._parts
                arguments[name] = kind.of(request)
            if self._body is not None:
                arguments["body"] = await self._read_body(request, *self._body)
            answer = await operation.handler(**arguments)
        except (RequestValidationError, Problem) as error:
            # The call was counted before it was refused, so its answer must tell what is left as well.
            operation.rate.refused(request, error)
            raise
        return answer if isinstance(answer, Response) else JsonResponse(answer.model_dump_json(), operation.status)

    def answer_now(self, scope: Scope) -> Response | None:
        """Return the answer if the operation is ready with it and the caller is admitted, all without an ``await``."""
        operation = self.operation
        if operation.ready is None or (given := operation.rate.admit_now(scope, operation.scope)) is None:
            return None
        # ``answer`` takes them, if the operation is not ready.
        scope[_READ] = self._arguments.read(scope)
        arguments = {**scope[_READ], **given}
        if self._parts is not None:
            name, kind = self._parts
            arguments[name] = kind.of_app(scope["app"])
        return operation.ready(*[arguments[name] for name in self._ready_names])

    async def _read_body(self, request: Request, model: type[BaseModel], is_incoming: bool) -> Any:
        body = Incoming(request, model, self.operation.bounds)
        if is_incoming:
            return body
        if not await body.receive() and self._without_body is not inspect.Parameter.empty:
            return self._without_body
        return body.read()


def _types(parameters: Mapping[str, inspect.Parameter]) -> Iterable[tuple[str, Any]]:
    return ((name, parameter.annotation) for name, parameter in parameters.items())


def _is_parts(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Parts)


def _body_model(parameters: Mapping[str, inspect.Parameter]) -> tuple[type[BaseModel], bool] | None:
    """Return the model of the body, and whether the handler receives the body itself. None: it takes no body."""
    if "body" not in parameters:
        return None
    kind = parameters["body"].annotation
    return (get_args(kind)[0], True) if get_origin(kind) is Incoming else (kind, False)


def _documented(operation: Operation) -> Callable[..., Any]:
    """Return a function from which FastAPI reads the operation's parameters, body and description; nobody calls it."""
    parameters = inspect.signature(operation.handler, eval_str=True).parameters
    body = _body_model(parameters)

    async def endpoint() -> None:
        """Stand for the handler."""

    endpoint.__name__, endpoint.__doc__ = operation.id, operation.handler.__doc__
    endpoint.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            parameter.replace(annotation=body[0]) if name == "body" and body else parameter
            for name, parameter in parameters.items()
            if name != "request" and name not in operation.rate.gives and not _is_parts(parameter.annotation)
        ]
    )
    endpoint.operation = operation  # type: ignore[attr-defined]
    return endpoint


def router(operations: Iterable[Operation], tag: str) -> APIRouter:
    """Return a router with the routes of the operations, for FastAPI and for ``Dispatcher``.

    Raises ``ValueError`` for an operation that no request would reach: FastAPI takes the first path that matches.
    """
    made = APIRouter(tags=[tag])
    for operation in operations:
        for earlier in made.routes:
            if isinstance(earlier, OperationRoute) and earlier.hides(operation):
                raise ValueError(f"{operation.path} must stand before {earlier.path} in the table.")
        OperationRoute.add(made, operation)
    return made


class Dispatcher:
    """ASGI middleware that answers operations, and passes every other request on. The request log is around it."""

    def __init__(self, app: ASGIApp, routes: Iterable[Any], handlers: Mapping[Any, Any]) -> None:
        """``handlers`` render errors, by their type. ``app`` answers the ``routes`` that are not operations."""
        self._app = app
        self._handlers = handlers
        self._fixed: dict[str, dict[str, OperationRoute]] = {}
        self._templates: dict[tuple[str, int, str], list[OperationRoute]] = {}
        for route in routes:
            if not isinstance(route, OperationRoute):
                continue
            # A fixed path is found by one look-up. Only templates need a pattern.
            if route.param_convertors:
                self._templates.setdefault(_key(route.operation.method, route.path), []).append(route)
            else:
                self._fixed.setdefault(route.path, {})[route.operation.method] = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request if it is for an operation; otherwise pass it on."""
        route = scope.get("route") or self.find(scope) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        request = Request(scope, receive)
        try:
            response = await route.answer(request)
        except Exception as error:  # noqa: BLE001 each error has a handler
            response = await self._handler(error)(request, error)
        await response(scope, receive, send)

    def ready(self, scope: Scope) -> Response | None:
        """Return the answer to a request if no ``await`` is needed for it: for ``RequestLog.answer_now``."""
        route = self.find(scope)
        if route is None:
            return None
        scope["route"] = route
        try:
            return route.answer_now(scope)
        except Exception:  # noqa: BLE001 the usual way meets the same error, and has a handler for it
            return None

    def find(self, scope: Scope) -> OperationRoute | None:
        """Return the route of a request, and store its ``path_params`` in the scope; None if no operation matches."""
        path, method = scope["path"], scope["method"]
        if (by_method := self._fixed.get(path)) is not None:
            scope["path_params"] = {}
            # The last segment of a fixed path is never an id. With the wrong method FastAPI answers a 405.
            return by_method.get(method)
        key = _key(method, path)
        # Templates with a fixed last segment come first: the others would take that segment for an id.
        for candidates in (self._templates.get(key, ()), self._templates.get((*key[:2], ""), ())):
            for route in candidates:
                if found := route.path_regex.match(path):
                    scope["path_params"] = found.groupdict()
                    return route
        return None

    def _handler(self, error: Exception) -> Callable[[Request, Exception], Awaitable[Response]]:
        return next(self._handlers[kind] for kind in type(error).__mro__ if kind in self._handlers)  # type: ignore[no-any-return]


def _key(method: str, path: str) -> tuple[str, int, str]:
    """Return a key that a path shares with its template: method, number of slashes, and the last segment if fixed."""
    last = path.rpartition("/")[2]
    return method, path.count("/"), "" if last.startswith("{") else last
