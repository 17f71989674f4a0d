"""The route class of calls that FastAPI answers. It reads bodies and queries as strictly as operations do."""

from collections.abc import Callable, Coroutine
from typing import Any, get_args

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from app.http import problem, query_parameters, strict_json
from app.http.strict_json import Bounds


class _JsonRequest(Request):
    """A request whose body was read and parsed already, so that FastAPI does not do it again."""

    def __init__(self, request: Request, raw: bytes, document: Any) -> None:
        super().__init__(request.scope, request.receive)
        self._body = raw
        self._document = document

    async def json(self) -> Any:
        return self._document


class StrictRoute(APIRoute):
    """The ``route_class`` of every router that FastAPI answers. An empty body fails validation (422)."""

    @property
    def bounds(self) -> Bounds:
        """Return the bounds of the request's body. A subclass may return others."""
        return strict_json.ORDINARY

    async def before_body(self, request: Request) -> None:
        """Do nothing. A subclass may refuse the request here, before its body is read or its query is refused."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return a function that checks query and body before FastAPI does.

        FastAPI would turn our problems about a body into a 400 without a detail, and ignore unknown query parameters.
        """
        answer = super().get_route_handler()
        takes_body, known = self.body_field is not None, query_parameters.names(self.dependant)
        fields = _fields(self.body_field.field_info.annotation) if self.body_field is not None else frozenset()

        async def answer_strictly(request: Request) -> Response:
            query = request.scope["query_string"]
            faults = query_parameters.faults(query, known) if query else None
            if faults or takes_body:
                # Before a fault is reported: a stranger learns nothing about the parameters, and the call is counted.
                await self.before_body(request)
            if faults:
                raise RequestValidationError(faults)
            if not takes_body:
                return await answer(request)
            raw = await strict_json.read(request, self.bounds)
            document = strict_json.loads(raw, self.bounds.depth) if raw else None
            problem.bound_members(document, len(fields))
            try:
                return await answer(_JsonRequest(request, raw, document))
            except RequestValidationError as error:
                raise RequestValidationError(problem.hinted(error.errors(), fields)) from None

        return answer_strictly


def _fields(annotation: Any) -> frozenset[str]:
    """Return the names of the members of the body's model. The annotation may be ``Model | None``."""
    models = (annotation, *get_args(annotation))
    return next(frozenset(model.model_fields) for model in models if hasattr(model, "model_fields"))
