"""Let web pages of other origins call the API (CORS, https://fetch.spec.whatwg.org/#http-cors-protocol).

A page sends its token itself: the API has no cookies, so credentials of the browser are never allowed.
"""

from collections.abc import Iterable
from http import HTTPMethod
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http import whole_answer

_OPEN: Final = "/api/"
_CLOSED: Final = "/api/auth/"
"""Calls with passwords and secrets of clients: no page of another origin has a reason to make them."""
_METHODS: Final = "GET, POST, PUT, PATCH, DELETE"
_REQUEST_HEADERS: Final = (
    "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Prefer, X-API-Key, X-Request-ID, "
    "traceparent"
)
_RESPONSE_HEADERS: Final = (
    "API-Version, ETag, Idempotency-Replayed, Link, Location, RateLimit, RateLimit-Policy, Retry-After, "
    "WWW-Authenticate, X-Request-ID"
)
# Seconds for which a browser need not ask again. Browsers allow two hours at most.
_MAX_AGE: Final = "600"
_VARY: Final = (b"vary", b"Origin")


class Cors:
    """ASGI middleware for the origins that the operator allows. It answers preflights before any other layer."""

    def __init__(self, app: ASGIApp, origins: Iterable[str]) -> None:
        """``origins`` are compared exactly, as browsers send them: ``https://app.example.com``."""
        self._app = app
        self._origins = frozenset(origin.encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight of an allowed origin, or pass the request on and add the headers to its answer."""
        path = scope["path"]
        # The console and /mcp are not under /api: no page of another origin may call them at all.
        if not path.startswith(_OPEN) or path.startswith(_CLOSED):
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        origin = headers.get(b"origin", b"")
        is_allowed = origin in self._origins
        if is_allowed and scope["method"] == HTTPMethod.OPTIONS and b"access-control-request-method" in headers:
            # A preflight has no credentials, so it must be answered before a caller is asked for.
            await _preflight(origin)(scope, receive, send)
            return
        # An answer differs by its origin even for a request without one, so a cache must be told each time.
        more = [_VARY]
        if is_allowed:
            more += [
                (b"access-control-allow-origin", origin),
                (b"access-control-expose-headers", _RESPONSE_HEADERS.encode()),
            ]

        async def send_with_headers(message: Message) -> None:
            if message["type"] in {"http.response.start", whole_answer.NAME}:
                message["headers"] = [*message["headers"], *more]
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _preflight(origin: bytes) -> Response:
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Origin": origin.decode("latin-1"),
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": _REQUEST_HEADERS,
            "Access-Control-Max-Age": _MAX_AGE,
            "Vary": "Origin",
        },
    )
