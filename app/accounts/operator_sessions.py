"""Begin and end the sessions of operators, whose pages are a process of their own (app/operator).

A session begins by a link that is made on the command line, so anyone who may run ``scripts/admin`` may sign in.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app.accounts import operator_session_store as store
from app.audit import log as audit
from app.audit.log import Actor
from app.core import ids
from app.core.errors import NotFound
from app.db import Connection
from app.identity import console_cookies

LINK_SECONDS: Final = 300
"""The time in which a link must be used."""
SESSION_SECONDS: Final = console_cookies.SESSION_SECONDS


@dataclass(frozen=True, slots=True)
class SignedInOperator:
    """An operator with a valid session."""

    session_id: UUID
    name: str
    """System user who made the link."""


async def make_link(connection: Connection, actor: Actor) -> str:
    """Make a link for an operator, with an audit event. Return its secret, which is not stored."""
    # Only the digest is stored, so that a copy of the database signs nobody in.
    secret = console_cookies.generate()
    digest = console_cookies.digest(secret)
    await store.insert_link_any_tenant(connection, ids.new_id(), digest, actor.name, seconds=LINK_SECONDS)
    await audit.record(connection, None, actor, "operator_link.made", actor.name)
    return secret


async def operator_of_link(connection: Connection, secret: str) -> str:
    """Return the operator of a link, without using it up. Raises ``NotFound``."""
    name = await store.operator_of_link_any_tenant(connection, console_cookies.digest(secret))
    if name is None:
        raise _used_up()
    return name


async def use_link(connection: Connection, secret: str, address: str) -> str:
    """Use a link up, and begin its session, with an audit event. Return the cookie. Raises ``NotFound``."""
    name = await store.take_link_any_tenant(connection, console_cookies.digest(secret))
    if name is None:
        raise _used_up()
    # A new secret, because the one of the link stays in the browser's history and on the terminal.
    cookie = console_cookies.generate()
    digest = console_cookies.digest(cookie)
    await store.insert_session_any_tenant(connection, ids.new_id(), digest, name, seconds=SESSION_SECONDS)
    await audit.record(connection, None, Actor("operator", name, address), "operator.signed_in", name)
    return cookie


async def find(connection: Connection, cookie: str) -> SignedInOperator | None:
    """Return the operator of a cookie; None if its session is not valid."""
    row = await store.find_session_any_tenant(connection, console_cookies.digest(cookie))
    return SignedInOperator(row["id"], row["operator"]) if row else None


async def end(connection: Connection, session_id: UUID) -> None:
    """End one session."""
    await store.delete_session_any_tenant(connection, session_id)


async def end_all(connection: Connection, actor: Actor) -> int:
    """End every session of every operator, and make unused links invalid. Return the number of ended sessions."""
    ended = await store.delete_all_any_tenant(connection)
    await audit.record(connection, None, actor, "operators.signed_out", "all", {"sessions": ended})
    return ended


def _used_up() -> NotFound:
    return NotFound(
        "This link was used already, or is older than five minutes. Make a new one with"
        " scripts/admin console-link --operator."
    )
