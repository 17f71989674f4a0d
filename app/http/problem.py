"""Render errors as RFC 9457 problems, and describe them in the API document."""

import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from app.core import errors, validation_errors
from app.core.errors import InvalidRequest, Problem, Unavailable
from app.http import openapi, problem_pages
from app.http.problem_texts import TEXTS

_log = logging.getLogger(__name__)
_MEDIA_TYPE: Final = "application/problem+json"
_EXAMPLE_ID: Final = "0198c5f2-7d1e-7c33-9a51-0f5b6c1de001"
MAX_FAULTS: Final = 20
"""The most faults that an answer describes. Each costs time, and a body has room for a hundred thousand."""


class FieldError(BaseModel):
    """One fault of a request. One of ``pointer``, ``parameter`` and ``header`` says where; ``detail`` says what."""

    pointer: str | SkipJsonSchema[None] = Field(
        None, description="Place in the body: a JSON pointer, as a URI fragment."
    )
    parameter: str | SkipJsonSchema[None] = Field(None, description="Name of the path, query or cookie parameter.")
    header: str | SkipJsonSchema[None] = Field(None, description="Name of the header.")
    detail: str


class ProblemBody(BaseModel):
    """The body of every error (RFC 9457). ``code`` is stable; an error may have additional members."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="The address of a page that says what to do: `/problems/` and the code.")
    title: str
    status: int
    detail: str = Field(description="What you can do about the error. It never repeats the input.")
    code: str
    request_id: str = Field(description="Also in the header X-Request-ID and in the operator's log.")
    errors: list[FieldError] | SkipJsonSchema[None] = Field(
        None, description="With `invalid_request`: each fault, up to 20."
    )


def _body(code: str, title: str, status: int, detail: str) -> dict[str, Any]:
    return {"type": problem_pages.address(code), "title": title, "status": status, "detail": detail, "code": code}


def _render(scope: Scope, body: dict[str, Any], headers: Mapping[str, str] | None) -> Response:
    state = scope.setdefault("state", {})
    state["code"] = body["code"]  # the request log writes it
    body["type"] = problem_pages.address(body["code"], scope.get("root_path", ""))
    body |= {"request_id": state.get("request_id", "")}
    return JSONResponse(body, body["status"], headers, media_type=_MEDIA_TYPE)


def render(scope: Scope, problem: Problem) -> Response:
    """Return the response for a problem. Its extensions cannot replace the standard members."""
    body = _body(problem.code, problem.title, problem.status, problem.detail)
    # The standard members come first, because people read them first.
    return _render(scope, body | problem.extensions | body, problem.headers)


def render_internal(scope: Scope) -> Response:
    """Return the 500. It tells the client only the request's id: an error message could contain secrets."""
    return render(scope, Problem("Something went wrong on our side. If it happens again, report the request_id."))


def log_internal(scope: Scope, error: BaseException) -> None:
    """Log an unexpected error, with its traceback."""
    request_id = scope.get("state", {}).get("request_id", "")
    _log.error("request failed", exc_info=error, extra={"request_id": request_id})


# The handlers are coroutines although they wait for nothing: Starlette would run a plain function in a thread.
async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 the handlers are registered by type
    return render(request.scope, error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 the handlers are registered by type
    return render(request.scope, invalid(error.errors()[:MAX_FAULTS]))


def invalid(found: Iterable[Mapping[str, Any]]) -> InvalidRequest:
    """Return the problem for errors in pydantic's form. ``loc`` begins with the part of the request, such as "body".

    An error may have a ``hint``, a sentence that follows its message.
    """
    detail = "The request is not valid for this operation. Correct each place that errors names."
    return InvalidRequest(detail, errors=[_fault(fault) for fault in found])


def hinted(found: Iterable[Mapping[str, Any]], members: Iterable[str]) -> list[dict[str, Any]]:
    """Return errors of a body with a hint for each member that is unknown; ``members`` are those that it may have."""
    names = list(members)
    return [{**fault, "hint": validation_errors.hint(fault, fault["loc"][1:], names)} for fault in found]


def too_many_faults(*place: str) -> InvalidRequest:
    """Return the problem for a body with more than ``MAX_FAULTS`` faults; ``place`` is the path into the body."""
    return invalid([{"type": "", "loc": ("body", *place), "msg": f"It has more than {MAX_FAULTS} faults"}])


def bound_members(document: Any, fields: int) -> None:
    """Raise ``InvalidRequest`` if the document has so many members that more than ``MAX_FAULTS`` must be unknown.

    ``fields`` is the number of known members. This check comes first, because validation describes every unknown one.
    """
    if isinstance(document, dict) and len(document) > fields + MAX_FAULTS:
        raise too_many_faults()


def _fault(fault: Mapping[str, Any]) -> dict[str, str]:
    place, *path = fault["loc"]
    detail = validation_errors.detail(fault, is_by_us=True) + fault.get("hint", "")
    if place == "body" and not path and fault["type"] == "missing":
        return {"pointer": "#", "detail": "The body is empty. Send a JSON object, for example {}"}
    if place == "body":
        return {"pointer": validation_errors.pointer(*path), "detail": detail}
    name = str(path[0])[: validation_errors.MAX_TOKEN] if path else ""
    return {"header" if place == "header" else "parameter": name, "detail": detail}


_BY_STATUS: Final = {
    problem.status: problem
    for problem in (
        errors.MalformedBody,
        errors.Unauthenticated,
        errors.NotFound,
        errors.PayloadTooLarge,
        errors.UnsupportedMediaType,
        errors.InvalidRequest,
    )
}
_DETAILS: Final = {
    404: "There is nothing at this address. See /openapi.json for the operations.",
    405: "This address does not take this method. Use one that the header Allow lists.",
}


async def _http(request: Request, error: Exception) -> Response:
    return refused(request.scope, error)


def refused(scope: Scope, error: Exception, detail: str | None = None) -> Response:
    """Return the response for an ``HTTPException`` of the framework. ``detail`` replaces the text for its status."""
    assert isinstance(error, HTTPException)  # noqa: S101 the handlers are registered by type
    status = error.status_code
    # The same code as for our own errors of this status, so that clients can rely on it.
    if known := _BY_STATUS.get(status):
        code, title = known.code, known.title
    else:
        code = HTTPStatus(status).name.lower()
        title = TEXTS[code].title if code in TEXTS else HTTPStatus(status).phrase
    detail = detail or _DETAILS.get(status, error.detail)
    return _render(scope, _body(code, title, status, detail), error.headers)


async def _away(request: Request, error: Exception) -> Response:
    request_id = request.scope.get("state", {}).get("request_id", "")
    _log.warning("a server cannot be reached", exc_info=error, extra={"request_id": request_id})
    return render(request.scope, Unavailable())


async def _internal(request: Request, error: Exception) -> Response:
    log_internal(request.scope, error)
    return render_internal(request.scope)


def install(app: FastAPI, away: tuple[type[Exception], ...]) -> None:
    """Render every error of the app as a problem. Errors of the types in ``away`` mean that a server is away (503)."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    for kind in away:
        app.add_exception_handler(kind, _away)
    app.add_exception_handler(Exception, _internal)
    openapi.amend(app, _with_problems)


def responses(*problems: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """Return the ``responses`` argument of a FastAPI route that may answer with these problems."""
    documented: dict[int | str, dict[str, Any]] = {}
    for problem in problems:
        # The docstring of the class is the description: it is a public text.
        meaning = " ".join((problem.__doc__ or problem.title).split())
        example = _body(problem.code, problem.title, problem.status, meaning) | {"request_id": _EXAMPLE_ID}
        entry = documented.setdefault(problem.status, {"description": problem.title, "content": _content()})
        if problem.title not in entry["description"]:
            entry["description"] += f"; {problem.title}"
        entry["content"][_MEDIA_TYPE]["examples"][problem.code] = {"summary": problem.title, "value": example}
    return documented


def _content() -> dict[str, Any]:
    return {_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}, "examples": {}}}


def _with_problems(described: dict[str, Any]) -> dict[str, Any]:
    schemas = described.setdefault("components", {}).setdefault("schemas", {})
    problem = ProblemBody.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs") | {"ProblemBody": problem}
    # FastAPI documents its own form of a 422, which this API never sends.
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path in described.get("paths", {}).values():
        for operation in path.values():
            if not isinstance(operation, dict) or "responses" not in operation:
                continue
            # Every call has a 422: each refuses a query parameter that it does not know.
            if "HTTPValidationError" in str(operation["responses"].get("422", "HTTPValidationError")):
                operation["responses"]["422"] = responses(InvalidRequest)[422]
    return described
