"""Sign in by a link that was made on the command line, and sign out."""

from typing import Final

from starlette.responses import Response

from app.accounts import operator_sessions
from app.accounts.address_limit import AddressLimit
from app.identity import console_cookies
from app.operator.visit import OperatorVisit

# A secret of 256 bits cannot be guessed; the bound only keeps strangers from asking the database at will.
_LIMIT: Final = AddressLimit("60/minute")
_LINK: Final = "operator_link"


async def show(visit: OperatorVisit) -> Response:
    """Say how to sign in; an operator who is signed in already goes on."""
    return visit.go("/") if visit.session_id is not None else visit.page("sign_in.html")


async def show_link(visit: OperatorVisit) -> Response:
    """Show the button of a link. Opening the page does not use it up."""
    _LIMIT.count(visit.request, _LINK)
    async with visit.parts.database.transaction() as connection:
        name = await operator_sessions.operator_of_link(connection, visit.parameters["secret"])
    return visit.page("link.html", name=name)


async def use_link(visit: OperatorVisit) -> Response:
    """Use a link up, and begin its session with a new cookie: nobody can have planted it before."""
    await visit.form()
    _LIMIT.count(visit.request, _LINK)
    async with visit.parts.database.transaction() as connection:
        cookie = await operator_sessions.use_link(connection, visit.parameters["secret"], visit.address)
    visit.sign_in(cookie)
    return visit.go("/")


async def sign_out(visit: OperatorVisit) -> Response:
    """End this session."""
    await visit.form()
    async with visit.parts.database.transaction() as connection:
        await operator_sessions.end(connection, visit.operator.session_id)
    # A new value, so that the old one is of no use even if somebody has seen it.
    visit.changed_cookie = console_cookies.generate(), None
    return visit.go("/sign-in")
