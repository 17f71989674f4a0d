"""The page of the person who is signed in: switch the tenant, change the password, sign out."""

from starlette.responses import Response

from app.accounts import sessions
from app.console.visit import Visit
from app.core.errors import InsufficientScope, InvalidRequest, Problem, TooManyAttempts, Unauthenticated
from app.identity import console_cookies


async def show(visit: Visit) -> Response:
    """Show the person, its tenants and its password."""
    return await _page(visit)


async def _page(visit: Visit, error: Problem | None = None, done: str | None = None) -> Response:
    email = visit.principal.email
    memberships = await visit.parts.tokens.people.memberships(email) if email else []
    status = 200 if error is None else error.status
    return visit.page("you.html", status, memberships=memberships, error=error and error.detail, done=done)


def _email(visit: Visit) -> str:
    if visit.principal.email is None:
        raise InsufficientScope("Only a member can do this, and you came by a link.")
    return visit.principal.email


async def switch(visit: Visit) -> Response:
    """Go on in another tenant of the same person."""
    form = await visit.form()
    people = visit.parts.tokens.people
    memberships = await people.memberships(_email(visit))
    chosen = next((row for row in memberships if row["slug"] == form.get("tenant") and row["is_accepted"]), None)
    if chosen is None:
        raise InvalidRequest("You are no member of this tenant.")
    # The new session first: if that fails, the person is still signed in to the old one.
    cookie = await sessions.begin(visit.parts.accounts, chosen)
    await sessions.end(visit.parts.accounts, visit.principal)
    visit.sign_in(cookie)
    return visit.go("")


async def change_password(visit: Visit) -> Response:
    """Set a new password. It ends all other sessions of the person."""
    form = await visit.form()
    people, email = visit.parts.tokens.people, _email(visit)
    try:
        person = await people.sign_in(email, form.raw("current_password"))
        person = await people.change_password(person, visit.actor, visit.tenant_id, form.raw("new_password"))
    except (Unauthenticated, InvalidRequest, TooManyAttempts) as error:
        return await _page(visit, error)
    visit.sign_in(await sessions.begin(visit.parts.accounts, person.choose(visit.principal.slug)))
    return visit.go("/you")


async def sign_out(visit: Visit) -> Response:
    """End this session."""
    await visit.form()
    await sessions.end(visit.parts.accounts, visit.principal)
    return _signed_out(visit)


async def sign_out_everywhere(visit: Visit) -> Response:
    """End every session and token of the person, in all tenants."""
    await visit.form()
    people = visit.parts.tokens.people
    await people.sign_out_everywhere(_email(visit), visit.actor, visit.tenant_id)
    return _signed_out(visit)


def _signed_out(visit: Visit) -> Response:
    # A new value, so that the old one is of no use even if somebody has seen it.
    visit.changed_cookie = console_cookies.generate(), None
    return visit.go("/sign-in")
