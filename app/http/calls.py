"""Answer requests with a wrong method or path: the 404 or 405 names the call that the client probably meant.

In this module a call is one method and path of the API.
"""

import re
from collections.abc import Iterable
from typing import Final

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from app.core import suggestions
from app.http import problem

_SLASHES: Final = re.compile("/+")
# The path has no version: the one of the API is in a header.
_VERSION: Final = re.compile(r"^(?:/api)?/v[0-9]+/")
# The calls that people expect at an address which has others.
_EXPECTED: Final = {("POST", "/api/tasks"): "To submit a task, use POST /api/tasks/submit."}
_LONGEST: Final = 256


class Calls:
    """Finds the calls of the API by path and method."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        """``routes`` have their full paths. Only an ``APIRoute`` is a call; other routes are ignored."""
        self._routes = [route for route in routes if isinstance(route, APIRoute)]
        self._fixed = {route.path for route in self._routes if not route.param_convertors}

    def at(self, path: str) -> list[APIRoute]:
        """Return the routes that match a path.

        A fixed path comes before a template: ``/api/tasks/submit`` is one call, and not the task with the id "submit".
        """
        if path in self._fixed:
            return [route for route in self._routes if route.path == path]
        return [route for route in self._routes if route.path_regex.match(path)]

    def has_fixed(self, path: str, method: str) -> bool | None:
        """Return whether a fixed path (one without parameters) takes a method; None if the path is not fixed."""
        return method in methods_of(self.at(path)) if path in self._fixed else None

    def meant(self, path: str) -> list[APIRoute]:
        """Return the routes that were probably meant.

        These match the path without surplus slashes, line breaks and a version, as it is or after ``/api``; or each of
        its segments has at most one typing error.
        """
        plain = "/" + _SLASHES.sub("/", path).strip("/\n")
        plain = _VERSION.sub("/", plain)
        return self.at(plain) or self.at(f"/api{plain}") or self.near(plain) or self.near(f"/api{plain}")

    def near(self, path: str) -> list[APIRoute]:
        """Return the routes of the first template whose segments are those of the path but for typing errors."""
        # A path of a stranger may be long, and each route would be compared with it.
        if len(path) > _LONGEST:
            return []
        sent = path.split("/")
        alike = [route for route in self._routes if _is_alike(sent, route.path_format.split("/"))]
        # A fixed path comes before a template, which takes anything for an id.
        alike.sort(key=lambda route: len(route.param_convertors))
        return [route for route in alike if route.path == alike[0].path]


def _is_alike(sent: list[str], template: list[str]) -> bool:
    return len(sent) == len(template) and all(
        wanted.startswith("{") or given == wanted or suggestions.is_one_error_away(given.lower(), wanted)
        for given, wanted in zip(sent, template, strict=True)
    )


def methods_of(routes: Iterable[APIRoute]) -> set[str]:
    """Return the HTTP methods that at least one of the routes takes."""
    return {method for route in routes for method in route.methods or ()}


class _NoCall(BaseRoute):
    """Refuses requests that Starlette would answer as another call.

    These are paths that end in a line break, because ``$`` in the pattern of a route also matches before one, and wrong
    methods of fixed paths, because a template would match, with the last segment as an id.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match such a request."""
        is_ours = scope["type"] == "http" and self._status(scope) is not None
        return (Match.FULL if is_ours else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 it always raises
        """Raise a 404 or a 405, for which the handlers in ``install`` write the answer."""
        raise HTTPException(self._status(scope) or 404)

    def _status(self, scope: Scope) -> int | None:
        if scope["path"].endswith("\n"):
            return 404
        return 405 if self._calls.has_fixed(scope["path"], scope["method"]) is False else None


def install(app: FastAPI, routes: Iterable[BaseRoute]) -> None:
    """Let each 404 and 405 of the framework name the call that the client probably meant.

    ``routes`` are all routes of the app; of two that match a path, the first one is named first.
    """
    calls = Calls(routes)
    # First, because Starlette asks the routes in their order, and a template would match a fixed path.
    app.router.routes.insert(0, _NoCall(calls))

    async def missing(request: Request, error: Exception) -> Response:
        meant = calls.meant(request.scope["path"])
        detail = f"There is nothing at this address. Did you mean {_named(meant)}?" if meant else None
        return problem.refused(request.scope, error, detail)

    async def wrong_method(request: Request, error: Exception) -> Response:
        taken = calls.at(request.scope["path"])
        if not taken:
            return problem.refused(request.scope, error)
        # RFC 9110 (15.5.6): a 405 must list the methods. Starlette lists only those of the first route that matches.
        allowed = HTTPException(405, headers={"Allow": ", ".join(sorted(methods_of(taken)))})
        detail = f"This address does not take this method: use {_named(taken)}."
        return problem.refused(request.scope, allowed, f"{detail} {_expected(calls, request.scope)}".strip())

    app.add_exception_handler(404, missing)
    app.add_exception_handler(405, wrong_method)


def _expected(calls: Calls, scope: Scope) -> str:
    """Return a sentence about the call that was probably meant, here or at an address close to this one, or nothing."""
    if told := _EXPECTED.get((scope["method"], scope["path"])):
        return told
    near = [route for route in calls.near(scope["path"]) if not route.path_regex.match(scope["path"])]
    close = [route for route in near if scope["method"] in (route.methods or ())]
    return f"Did you mean {_named(close)}?" if close else ""


def _named(routes: Iterable[APIRoute]) -> str:
    # The template and not the path of the request: an error must never repeat the input.
    documented = [route for route in routes if route.include_in_schema]
    return " or ".join(
        f"{method} {route.path_format}" for route in documented for method in sorted(methods_of([route]))
    )
