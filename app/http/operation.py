"""Declare the calls of the API: each operation is one entry of a table, with one handler.

``app.http.dispatcher`` answers the operations, and makes the routes from which FastAPI writes the API document. To add
a call, write its handler and add an ``Operation`` to the table of its room, for example ``app/tasks/operations.py``.

A handler is a coroutine function that returns a ``Response``, or a model as the first of the ``answers``. Its docstring
is the description of the operation, its name the operation's id. It receives what its parameters ask for:

- ``request: Request``;
- a parameter whose type is a subclass of ``Parts``: the parts of the process;
- a name that the rate class gives: ``principal``, and ``rate`` for a submit;
- ``body``: a model, read and validated, or ``Incoming[Model]``, which the handler receives itself. With a default value
  a request may have no body;
- every other parameter comes from the path, the query or the headers. You declare it as for FastAPI.

A handler with a parameter of another kind, for example a cookie, is refused when the routes are made.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

from fastapi.params import Depends
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope as WireScope

from app.core.errors import Problem
from app.http import problem
from app.http.document_rules import headers
from app.http.event_stream import MEDIA_TYPE
from app.http.strict_json import SMALL, Bounds

Handler: TypeAlias = Callable[..., Awaitable[Response | BaseModel]]


class RateClass(Protocol):
    """Admits and counts the calls of one kind. ``app.quotas`` implements it; this room knows no callers or rates."""

    @property
    def gives(self) -> frozenset[str]:
        """Return the keys of the mapping that ``admit`` returns."""

    async def admit(self, request: Request, scope: str) -> Mapping[str, Any]:
        """Return the caller, and more arguments for the handler.

        Raises a ``Problem`` if the caller is unknown, lacks the scope or calls too often.
        """

    def admit_now(self, scope: WireScope, needed: str) -> Mapping[str, Any] | None:
        """Return what ``admit`` returns if no ``await`` is needed for it, otherwise None. ``needed`` is the scope."""

    def refused(self, request: Request, error: Exception) -> None:
        """Add RateLimit fields to the answer of an admitted call that ends in this error."""

    def documented(self, scope: str) -> Depends:
        """Return the FastAPI dependency that describes the permission in the API document."""


class Answer(NamedTuple):
    """An answer of an operation, for the API document: the model of its body, and the names of its headers.

    ``model`` is None for an answer without a body.
    """

    model: type[BaseModel] | None
    description: str = "Successful Response"
    headers: Sequence[str] = ()
    stream: str = ""
    """The name of the model of an event, if the answer may be a stream (``text/event-stream``) of them."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One call of the API: a method, a path, and the handler that answers them."""

    method: str
    path: str
    """The template of the path, for example ``/api/tasks/{task_id}``."""
    handler: Handler
    summary: str
    scope: str
    """The scope that the caller needs."""
    rate: RateClass
    answers: Mapping[int, Answer]
    """By HTTP status. The first one is the usual answer."""
    problems: Sequence[type[Problem]] = ()
    """The errors of this call, in addition to those that every call has."""
    ready: Callable[..., Response | None] | None = None
    """A plain function with some of the handler's parameters. It returns the answer if this process knows it already,
    otherwise None: then the handler is called. Only for an operation without a body."""
    bounds: Bounds = SMALL
    """The bounds of the request's body."""

    @property
    def id(self) -> str:
        """Return the operation's id. Generated clients name their method by it."""
        return self.handler.__name__

    @property
    def status(self) -> int:
        """Return the HTTP status of the usual answer."""
        return next(iter(self.answers))

    def responses(self) -> dict[int | str, dict[str, Any]]:
        """Return the ``responses`` argument of the FastAPI route."""
        documented: dict[int | str, dict[str, Any]] = problem.responses(*self.problems)
        for status, answer in self.answers.items():
            entry: dict[str, Any] = headers(*answer.headers) if answer.headers else {}
            # FastAPI documents the usual answer itself, from ``response_model``.
            if status != self.status:
                entry = {"model": answer.model, "description": answer.description} | entry
            if answer.stream:
                entry["content"] = {MEDIA_TYPE: _described_stream(answer.stream)}
            documented[status] = entry
        return documented


def _described_stream(model: str) -> dict[str, Any]:
    """Return the description of a stream whose ``data`` lines are JSON of the model."""
    description = f"Server-sent events. `data` is the JSON of one {model}, `id` the cursor after it."
    return {"schema": {"type": "string", "description": description}, "example": "id: q83vEjRWeJA\ndata: {…}\n\n"}
