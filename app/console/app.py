"""The route of everything under ``/console``: it finds the caller, and lets the pages answer."""

from typing import ClassVar

from starlette.requests import Request

from app.accounts.parts import AccountParts
from app.console import limits
from app.console.cookies import CookieRules
from app.console.page_route import PageRoute
from app.console.pages import PAGES, ConsolePage
from app.console.visit import Visit
from app.core.errors import TenantSuspended, Unauthenticated
from app.identity.credentials import Credential
from app.identity.principal import Principal


class Console(PageRoute[Visit, ConsolePage]):
    """The route of everything under ``/console``."""

    prefix: ClassVar[str] = "/console"
    cookie_name: ClassVar[str] = "console"
    what: ClassVar[str] = "The console"

    def __init__(self) -> None:
        """Prepare the table of pages."""
        super().__init__(PAGES)

    def visit(self, request: Request, base: str, rules: CookieRules, cookie: str) -> Visit:
        """Return the visit of a request, without its caller."""
        return Visit(request, base, rules, cookie)

    async def admit(self, visit: Visit, page: ConsolePage) -> None:
        """Find the caller, count the request against the session's rate, and check the scopes."""
        visit.caller = await _caller(visit, is_open=page.scope is None)
        if page.scope is not None:
            await limits.admit(visit)
            visit.require(*page.scope.split())


async def _caller(visit: Visit, *, is_open: bool) -> Principal | None:
    """Return the caller of a session, or None for a visitor. Raises ``TenantSuspended`` and ``Unavailable``.

    On a page that is open to visitors, the caller of a suspended tenant is one: it may sign in to another tenant.
    """
    try:
        caller = await AccountParts.of(visit.request).verifier.check(Credential(visit.cookie, is_session=True))
    except Unauthenticated:
        return None
    except TenantSuspended:
        if is_open:
            return None
        raise
    # The request log names the tenant.
    visit.request.scope["state"]["principal"] = caller
    return caller
