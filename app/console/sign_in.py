"""Sign in: by e-mail address and password, by an invitation, or by a portal link."""

import base64
import hmac
import json
import re
import time
from typing import Any, Final

from starlette.responses import Response

from app.accounts import sessions
from app.accounts.address_limit import AddressLimit
from app.accounts.people import KnownPerson
from app.console.forms import Form
from app.console.visit import Visit
from app.core.errors import (
    IllegalState,
    InvalidRequest,
    Problem,
    TooManyAttempts,
    Unauthenticated,
)
from app.identity.dependencies import client_address
from app.identity.principal import Actor

# The same bound as for logins of the API; it counts for both together.
_LIMIT: Final = AddressLimit("10/minute")
_LOGIN: Final = "login"
_LIMIT_OF_LINKS: Final = AddressLimit("60/minute")
# Only a path below /console, so that no link can lead a person who signs in to another site.
_PATH: Final = re.compile(r"/[A-Za-z0-9_-][A-Za-z0-9_./-]*(\?[A-Za-z0-9_.,:;=&%+*-]*)?")
# Seconds in which a person who has given the password must choose a tenant.
_CHOICE_SECONDS: Final = 300


async def show(visit: Visit) -> Response:
    """Show the form; a person who is signed in already goes on."""
    wanted = _next(visit.request.query_params.get("next", ""))
    if visit.caller is not None:
        return visit.go(wanted)
    return visit.page("sign_in.html", next=wanted, email="", error=None)


async def sign_in(visit: Visit) -> Response:
    """Check the password. With one tenant the session begins, with several the person chooses."""
    form = await visit.form()
    try:
        person = await _person(visit, form)
    except (Unauthenticated, TooManyAttempts) as error:
        values = {"next": _next(form.get("next")), "email": form.get("email"), "error": error.detail}
        return visit.page("sign_in.html", error.status, **values)
    if len(person.memberships) == 1 and person.accepted:
        return await _begin(visit, person, person.memberships[0]["slug"], form)
    return _choice(visit, person, form)


async def _person(visit: Visit, form: Form) -> KnownPerson:
    _LIMIT.count(visit.request, _LOGIN)
    return await visit.parts.tokens.people.sign_in(form.get("email"), form.raw("password"))


async def choose(visit: Visit) -> Response:
    """Begin a session in the tenant that the person has chosen, without asking for the password again."""
    form = await visit.form()
    person = await _proven(visit, form.get("proof"))
    return await _begin(visit, person, form.get("tenant"), form)


async def accept(visit: Visit) -> Response:
    """Accept an invitation by its code, with a password of the person's own if it has none yet."""
    form = await visit.form()
    _LIMIT.count(visit.request, _LOGIN)
    people, slug = visit.parts.tokens.people, form.get("tenant")
    person = await _proven(visit, form.get("proof"))
    try:
        if person.has_initial_password and form.raw("new_password"):
            actor = Actor("member", person.email).at(client_address(visit.request))
            tenant_id = person.memberships[0]["tenant_id"]
            person = await people.change_password(person, actor, tenant_id, form.raw("new_password"))
        person = await people.accept(person, slug, form.get("code"))
    except (Unauthenticated, InvalidRequest, IllegalState) as error:
        return _choice(visit, person, form, error)
    return await _begin(visit, person, slug, form)


def _choice(visit: Visit, person: KnownPerson, form: Form, error: Problem | None = None) -> Response:
    """Return the page on which a person chooses a tenant, or accepts an invitation."""
    return visit.page(
        "choose.html",
        200 if error is None else error.status,
        person=person,
        proof=_proof(visit, person),
        next=_next(form.get("next")),
        error=error and error.detail,
    )


async def _begin(visit: Visit, person: KnownPerson, slug: str, form: Form) -> Response:
    """Begin a session with a new cookie: nobody can have planted it before."""
    visit.sign_in(await sessions.begin(visit.parts.accounts, person.choose(slug)))
    return visit.go(_next(form.get("next")))


def _proof(visit: Visit, person: KnownPerson) -> str:
    """Return what proves, for five minutes and to the same browser, that the person has given the password."""
    facts = json.dumps([person.email, person.version, int(time.time()) + _CHOICE_SECONDS]).encode()
    return f"{base64.urlsafe_b64encode(facts).decode()}.{_mac(visit, facts)}"


async def _proven(visit: Visit, proof: str) -> KnownPerson:
    """Return the person of a proof. Raises ``Unauthenticated``."""
    encoded, _, mac = proof.partition(".")
    try:
        facts = base64.urlsafe_b64decode(encoded)
    except ValueError:
        raise _expired() from None
    if not hmac.compare_digest(mac.encode(), _mac(visit, facts).encode()):
        raise _expired()
    email, version, until = json.loads(facts)
    # Read again: the person may have been disabled, or have changed the password, since the proof was made.
    rows = await visit.parts.tokens.people.memberships(email) if time.time() < until else []
    if not rows or rows[0]["person_version"] != version:
        raise _expired()
    return KnownPerson(email, version, rows[0]["password_is_initial"], rows)


def _mac(visit: Visit, facts: bytes) -> str:
    # The key signs nothing else under this name, and the cookie binds the proof to the browser.
    key = hmac.digest(visit.parts.cursor_key, b"console sign-in", "sha256")
    return hmac.digest(key, facts + visit.cookie.encode(), "sha256").hex()


def _expired() -> Unauthenticated:
    return Unauthenticated("This page is too old. Sign in again.")


async def show_link(visit: Visit) -> Response:
    """Show the button of a portal link. Opening the page does not use it up: a mail scanner opens it as well."""
    link = await _link(visit)
    return visit.page("link.html", link=link.row, error=None)


async def use_link(visit: Visit) -> Response:
    """Use a portal link up, and begin its session."""
    await visit.form()
    link = await _link(visit)
    cookie = await sessions.use_link(visit.parts.accounts, link, client_address(visit.request))
    visit.sign_in(cookie, link.row["session_seconds"])
    response = visit.go("")
    if link.row["theme"]:
        response.headers.append("Set-Cookie", f"console-theme={link.row['theme']}; Path={visit.base}; SameSite=Lax")
    return response


async def _link(visit: Visit) -> sessions.Link:
    # A secret of 256 bits cannot be guessed; the bound only keeps strangers from asking the database at will.
    _LIMIT_OF_LINKS.count(visit.request, "portal_link")
    return await sessions.find_link(visit.parts.tokens.people.auth, visit.parameters["secret"])


def _next(wanted: Any) -> str:
    """Return the path below ``/console`` to which a sign-in leads."""
    return wanted if isinstance(wanted, str) and _PATH.fullmatch(wanted) and ".." not in wanted else ""
