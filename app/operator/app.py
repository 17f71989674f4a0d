"""The route of everything that the operator's process serves: it finds the session, and lets the pages answer."""

from typing import ClassVar

from starlette.requests import Request

from app.accounts import operator_sessions
from app.console.cookies import CookieRules
from app.console.page_route import PageRoute
from app.core.errors import Unavailable
from app.operator.pages import PAGES, OperatorPage
from app.operator.visit import OperatorVisit


class OperatorPages(PageRoute[OperatorVisit, OperatorPage]):
    """The route of all pages. Unlike the console's, they are at the root: the process serves nothing else."""

    prefix: ClassVar[str] = ""
    cookie_name: ClassVar[str] = "operator"
    what: ClassVar[str] = "This page"

    def __init__(self) -> None:
        """Prepare the table of pages."""
        super().__init__(PAGES)

    def visit(self, request: Request, base: str, rules: CookieRules, cookie: str) -> OperatorVisit:
        """Return the visit of a request, without its operator."""
        return OperatorVisit(request, base, rules, cookie)

    async def admit(self, visit: OperatorVisit, page: OperatorPage) -> None:
        """Find the operator. Raises ``Unauthenticated``, and ``Unavailable`` while Postgres cannot be used."""
        if faults := visit.parts.readiness.state().faults:
            raise Unavailable(f"{faults[0]}.")
        # Each request asks Postgres, and nothing is remembered: a session that was ended is out at once.
        async with visit.parts.database.statement() as connection:
            visit.found = await operator_sessions.find(connection, visit.cookie)
        if not page.is_open:
            visit.operator  # noqa: B018 raises for a visitor
