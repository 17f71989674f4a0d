"""Change and serve the OpenAPI document of the app."""

import json
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any, Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.http.etags import has_etag

# The document changes with a new version of the service, so a cache must ask each time whether its copy is current.
_CACHE: Final = "public, no-cache"


def amend(app: FastAPI, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Let ``change`` edit the OpenAPI document before it is first used. It returns the document to use."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        return app.openapi_schema or change(generate())

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI documents this assignment


def serve(app: FastAPI) -> None:
    """Replace FastAPI's route of the document, which encodes it for each request, by one that serves it from memory."""
    path = app.openapi_url or ""
    routes = app.router.routes
    # In the same place of the list, so that the order in which routes match stays the same.
    place = next(number for number, route in enumerate(routes) if getattr(route, "path", None) == path)
    routes[place] = Route(path, kept(lambda: json.dumps(app.openapi(), ensure_ascii=False)), include_in_schema=False)


def kept(make: Callable[[], str]) -> Callable[[Request], Awaitable[Response]]:
    """Return a handler that answers with the JSON of ``make``, or with 304 if the client has it already.

    ``make`` is called once, at the first request.
    """
    made: list[tuple[bytes, str]] = []

    async def answer(request: Request) -> Response:
        if not made:
            body = make().encode()
            made.append((body, f'"{sha256(body).hexdigest()[:32]}"'))
        body, etag = made[0]
        headers = {"ETag": etag, "Cache-Control": _CACHE}
        if has_etag(request.headers.getlist("if-none-match"), etag):
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type="application/json")

    return answer
