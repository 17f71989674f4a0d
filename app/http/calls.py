"""Requests that miss their call by its method or a slash: the 404 or 405 names the call that was meant."""

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

from app.http import problem

_SLASHES: Final = re.compile("/+")


class Calls:
    """The calls of the API, by path and method."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        """``routes`` have their whole path; those that are no calls are left out."""
        self._routes = [route for route in routes if isinstance(route, APIRoute)]
        self._fixed = {route.path for route in self._routes if not route.param_convertors}

    def at(self, path: str) -> list[APIRoute]:
        """Return what answers at a path. A path without an id in it is no id: ``/api/tasks/submit`` is one call."""
        if path in self._fixed:
            return [route for route in self._routes if route.path == path]
        return [route for route in self._routes if route.path_regex.match(path)]

    def has_fixed(self, path: str, method: str) -> bool | None:
        """Tell whether a path without ids takes a method; None for any other path."""
        return method in methods_of(self.at(path)) if path in self._fixed else None

    def meant(self, path: str) -> list[APIRoute]:
        """Return what answers where the path has no slash or line break too many, or begins as all calls do."""
        plain = "/" + _SLASHES.sub("/", path).strip("/\n")
        return self.at(plain) or self.at(f"/api{plain}")


def methods_of(routes: Iterable[APIRoute]) -> set[str]:
    """Return the methods that any of the routes takes."""
    return {method for route in routes for method in route.methods or ()}


class _NoCall(BaseRoute):
    """Refuses, before other routes are tried, what Starlette would take for another call.

    A path that ends in a line break, because ``$`` in the pattern of a route also matches before one. And the wrong
    methods of fixed paths, because what is last in the path would be taken for an id.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match such a request."""
        is_ours = scope["type"] == "http" and self._status(scope) is not None
        return (Match.FULL if is_ours else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 no answer of its own
        """Refuse; the handlers of a 404 and a 405 name the call that was meant."""
        raise HTTPException(self._status(scope) or 404)

    def _status(self, scope: Scope) -> int | None:
        if scope["path"].endswith("\n"):
            return 404
        return 405 if self._calls.has_fixed(scope["path"], scope["method"]) is False else None


def install(app: FastAPI, routes: Iterable[BaseRoute]) -> None:
    """Let each 404 and 405 of the app's own name the call that was meant. Begin with what is to be matched first."""
    calls = Calls(routes)
    app.router.routes.insert(0, _NoCall(calls))

    async def missing(request: Request, error: Exception) -> Response:
        meant = calls.meant(request.scope["path"])
        detail = f"There is nothing at this address. Did you mean {_named(meant)}?" if meant else None
        return problem.refused(request.scope, error, detail)

    async def wrong_method(request: Request, error: Exception) -> Response:
        taken = calls.at(request.scope["path"])
        if not taken:
            return problem.refused(request.scope, error)
        allowed = HTTPException(405, headers={"Allow": ", ".join(sorted(methods_of(taken)))})
        return problem.refused(request.scope, allowed, f"This address does not take this method: use {_named(taken)}.")

    app.add_exception_handler(404, missing)
    app.add_exception_handler(405, wrong_method)


def _named(routes: Iterable[APIRoute]) -> str:
    # By its template: what was sent is never repeated.
    documented = [route for route in routes if route.include_in_schema]
    return " or ".join(
        f"{method} {route.path_format}" for route in documented for method in sorted(methods_of([route]))
    )
