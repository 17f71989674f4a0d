"""Answer requests to pages: find the page, read the cookie, turn errors into pages. Who may ask is said by a subclass.

The console is one, and the operator's pages in a process of their own are another.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from http import HTTPStatus
from time import monotonic
from typing import ClassVar, Final, Generic, Protocol, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from app.console import cookies, rendering, texts
from app.console.assets import ASSETS
from app.console.cookies import CookieRules
from app.console.pace import Pace
from app.console.web_visit import WebVisit
from app.core.errors import NotFound, Problem, Unauthenticated
from app.identity import console_cookies

VisitT = TypeVar("VisitT", bound=WebVisit)
AskerT_contra = TypeVar("AskerT_contra", bound=WebVisit, contravariant=True)
_NEEDS_HTTPS: Final = (
    "{} needs https: this request came over http, and not from a browser on the same machine as the server. "
    "Behind a proxy that ends TLS, let it send X-Forwarded-Proto, and name its address with --forwarded-allow-ips."
)


class WebPage(Protocol[AskerT_contra]):
    """A page or a form."""

    @property
    def method(self) -> str:
        """``GET`` or ``POST``."""

    @property
    def under(self) -> str:
        """The path below the prefix of the route. ``{name}`` is a parameter."""

    @property
    def handler(self) -> Callable[[AskerT_contra], Awaitable[Response]]:
        """Answers the request."""


PageT = TypeVar("PageT", bound=WebPage)  # type: ignore[type-arg]  # of the visits of the route


class PageRoute(BaseRoute, Generic[VisitT, PageT]):
    """The route of everything under a prefix."""

    prefix: ClassVar[str]
    cookie_name: ClassVar[str]
    what: ClassVar[str]
    """The name of these pages, at the begin of a sentence."""

    def __init__(self, pages: Sequence[PageT]) -> None:
        """Prepare the table of pages. The first one is taken of two that match."""
        self._pace = Pace()
        # A parameter has no slash and no line break, so it cannot reach into another page's path.
        self._pages = [(re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/\n]+)", page.under)), page) for page in pages]
        # The request log shows it for a page that does not exist.
        self.path = f"{self.prefix}/…"

    def visit(self, request: Request, base: str, rules: CookieRules, cookie: str) -> VisitT:
        """Return the visit of a request, without its caller."""
        raise NotImplementedError

    async def admit(self, visit: VisitT, page: PageT) -> None:
        """Find the caller, and raise a ``Problem`` unless it may ask for the page."""
        raise NotImplementedError

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match every path under the prefix, with any method."""
        is_ours = scope["type"] == "http" and self._is_under(_path(scope))
        return (Match.FULL if is_ours else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        scope["route"] = self
        response = await self._answer(Request(scope, receive), _path(scope).removeprefix(self.prefix).rstrip("/"))
        await response(scope, receive, send)

    def _is_under(self, path: str) -> bool:
        return path == self.prefix or path.startswith(f"{self.prefix}/")

    async def _answer(self, request: Request, path: str) -> Response:
        root: str = request.scope.get("root_path", "").rstrip("/")
        if path.startswith("/assets/"):
            return ASSETS.respond(path.removeprefix("/assets/")) or PlainTextResponse("Not found", 404)
        rules = cookies.rules(request.scope, root, name=self.cookie_name, under=self.prefix)
        if rules is None:
            return PlainTextResponse(_NEEDS_HTTPS.format(self.what), 403, headers=rendering.HEADERS)
        cookie = rules.value(request.headers.get("cookie", ""))
        visit = self.visit(request, f"{root}{self.prefix}", rules, cookie or console_cookies.generate())
        visit.pace = self._pace
        # A visitor needs a cookie as well: the token of a form is made from it.
        if cookie is None and self._would_bring_a_cookie(request):
            visit.changed_cookie = visit.cookie, None
        try:
            response = await self._respond(visit, path)
        except Problem as error:
            response = _refusal(visit, error)
        if visit.changed_cookie is not None:
            response.headers.append("Set-Cookie", rules.header(*visit.changed_cookie))
        return response

    async def _respond(self, visit: VisitT, path: str) -> Response:
        page = self._find(visit, path)
        # Before the caller is looked for, so that no page has to think of a NUL in its address.
        texts.require_storable(visit.request.query_params.multi_items())
        await self.admit(visit, page)
        response = await page.handler(visit)
        if "x-console-live" not in visit.request.headers or isinstance(response, StreamingResponse):
            return response
        response = _unless_known(visit, response)
        if visit.session_id is not None:
            gap = self._pace.note(visit.paced_tenant_id, visit.session_id, monotonic())
            response.headers["X-Console-Gap"] = f"{gap:.1f}"
        return response

    def _find(self, visit: VisitT, path: str) -> PageT:
        """Return the page of a request. Raises ``NotFound``."""
        request = visit.request
        for pattern, page in self._pages:
            match = pattern.fullmatch(path)
            if match and page.method == ("GET" if request.method == "HEAD" else request.method):
                request.scope["route"] = page
                visit.parameters = match.groupdict()
                return page
        raise NotFound("There is no such page.")

    def _would_bring_a_cookie(self, request: Request) -> bool:
        """Return whether a browser with a session would have sent its cookie, so that none can be lost by a new one.

        It sends none with a form of another site, nor to a path that only means ours after decoding.
        """
        root: str = request.scope.get("root_path", "").rstrip("/")
        path = request.scope["raw_path"].decode("latin-1").removeprefix(root)
        return request.method in {"GET", "HEAD"} and self._is_under(path)


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "").rstrip("/"))


def _unless_known(visit: WebVisit, response: Response) -> Response:
    """Return 304 for a page that the browser shows already. Only the refresh of a page asks so."""
    etag = f'"{sha256(bytes(response.body)).hexdigest()[:32]}"'
    if visit.request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers={"ETag": etag, **rendering.HEADERS})
    response.headers["ETag"] = etag
    return response


def _refusal(visit: WebVisit, error: Problem) -> Response:
    """Return the page of an error, or the sign-in for a visitor."""
    request = visit.request
    request.scope["state"]["code"] = error.code
    is_visitor = isinstance(error, Unauthenticated) and visit.session_id is None
    # The refresh of a page must not get the sign-in in place of what it shows.
    if is_visitor and request.method in {"GET", "HEAD"} and "x-console-live" not in request.headers:
        path = request.scope["path"].removeprefix(visit.base)
        wanted = f"{path}?{request.url.query}" if request.url.query else path
        query = f"?{urlencode({'next': wanted})}" if wanted not in {"", "/"} else ""
        return RedirectResponse(f"{visit.base}/sign-in{query}", HTTPStatus.SEE_OTHER, headers=rendering.HEADERS)
    response = visit.page("error.html", error.status, error=error, request_id=request.scope["state"].get("request_id"))
    response.headers.update(error.headers)
    return response
