"""The API's own document, where FastAPI alone does not say all."""

import json
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any, Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

# It changes with a new version of the service: whoever has it asks each time whether it is still the same.
_CACHE: Final = "public, no-cache"


def amend(app: FastAPI, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Let ``change`` have the OpenAPI document before it is first served; what it returns is the document."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        return app.openapi_schema or change(generate())

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def serve(app: FastAPI) -> None:
    """Serve the document from memory in the place of FastAPI's own route, which encodes it for each request."""
    path = app.openapi_url or ""
    routes = app.router.routes
    place = next(number for number, route in enumerate(routes) if getattr(route, "path", None) == path)
    routes[place] = Route(path, kept(lambda: json.dumps(app.openapi(), ensure_ascii=False)), include_in_schema=False)


def kept(make: Callable[[], str]) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers with JSON that is made once, or with 304 where the client has it already."""
    made: list[tuple[bytes, str]] = []

    async def answer(request: Request) -> Response:
        if not made:
            body = make().encode()
            made.append((body, f'"{sha256(body).hexdigest()[:32]}"'))
        body, etag = made[0]
        headers = {"ETag": etag, "Cache-Control": _CACHE}
        if _has(request.headers.getlist("if-none-match"), etag):
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type="application/json")

    return answer


def _has(given: list[str], etag: str) -> bool:
    """Say whether If-None-Match names a representation: weakly, as RFC 9110 (13.1.2) has it."""
    names = [name.strip().removeprefix("W/") for header in given for name in header.split(",")]
    return etag in names or names == ["*"]
