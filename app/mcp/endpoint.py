"""Answer ``/mcp``: check the origin, the caller, the rate and the body, then let the package's transport answer."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import BaseRoute, Match
from starlette.types import Message, Receive, Scope, Send

from app.core.errors import OriginRefused, TooManyStreams
from app.http import strict_json
from app.http.strict_json import MAX_DEPTH, ORDINARY
from app.mcp import server
from app.tasks.large_bodies import LargeBodies
from app.tasks.parts import TaskParts

_PATH: Final = "/mcp"
# A payload is four levels deep in a message.
_DEPTH: Final = MAX_DEPTH + 4
# The transport parses on the event loop. So many values take it some milliseconds.
_BOUNDS: Final = ORDINARY._replace(max_marks=5_000)
_MOST_CALLS: Final = 10
"""Calls that a tenant may have open at once in one api process, since a call may wait for the end of a task."""


class Mcp(BaseRoute):
    """The route of ``/mcp``. No request belongs to a session: each has its own credential, which is checked."""

    path = _PATH

    def __init__(self, away: server.Errors = ()) -> None:
        """Make the server. ``running`` must be entered before the first request. ``away`` as ``problem.install``."""
        self._manager = StreamableHTTPSessionManager(
            server.make(away), json_response=True, stateless=True, max_request_body_size=_BOUNDS.size
        )
        self._open: Counter[UUID] = Counter()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let the transport run until the context ends."""
        async with self._manager.run():
            yield

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match the one path, with any method."""
        is_ours = (
            scope["type"] == "http" and scope["path"].removeprefix(scope.get("root_path", "").rstrip("/")) == _PATH
        )
        return (Match.FULL if is_ours else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request. Raises what calls of the API raise before their handlers run."""
        scope["route"] = self
        request = Request(scope, receive)
        _require_own_origin(request)
        if request.method != "POST":
            # No stream is offered by GET, and there is no session for DELETE to end.
            raise HTTPException(405, headers={"Allow": "POST"})
        parts = TaskParts.of(request)
        # Before the body is read, as with every call of the API.
        principal = await parts.verifier.authenticate(scope)
        await parts.count_call(request, principal)
        with self._place(principal.tenant_id):
            raw = await read_message(request, parts.large_bodies, principal.tenant_id)
            await self._manager.handle_request(scope, _replayed(raw, receive), send)

    @contextmanager
    def _place(self, tenant_id: UUID) -> Iterator[None]:
        if self._open[tenant_id] >= _MOST_CALLS:
            raise TooManyStreams(_MOST_CALLS)
        self._open[tenant_id] += 1
        try:
            yield
        finally:
            self._open[tenant_id] -= 1
            # A tenant without a call takes no memory.
            self._open += Counter()


def _require_own_origin(request: Request) -> None:
    """Refuse the requests of web pages of another origin (DNS rebinding). Raises ``OriginRefused``."""
    own = request.headers.get("host", "").lower()
    # A request without a host, of HTTP/1.0, comes from no browser: it has no origin of its own.
    if any(not own or _host_of(origin) != own for origin in request.headers.getlist("origin")):
        raise OriginRefused("Web pages of another origin may not call this address. Call it from a program.")


def _host_of(origin: str) -> str | None:
    """Return the host and port of an origin; None for a text that has none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:  # such as http://[
        return None


async def read_message(request: Request, bodies: LargeBodies, tenant_id: UUID) -> bytes:
    """Receive a message, and return its bytes. Raises what a submit raises for its body."""
    with bodies.receiving(tenant_id, request.scope["headers"], _BOUNDS.size):
        raw = await strict_json.read(request, _BOUNDS)

        def check() -> None:
            # The transport parses again, and would take what cannot be stored and returned unchanged.
            strict_json.loads(raw, _DEPTH)

        # A large one in a thread, and then the tenant's next large one waits, as with submits.
        await bodies.read(tenant_id, raw, check, lambda _: 1)
    return raw


def _replayed(raw: bytes, receive: Receive) -> Receive:
    """Return a channel with the body that was read already, and then what the connection has."""
    messages: list[Message] = [{"type": "http.request", "body": raw, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay
