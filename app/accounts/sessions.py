"""Begin and end the sessions of the console. The API does not accept them."""

from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from app.accounts import session_store as store
from app.accounts.session_store import LinkRow, SessionRow
from app.audit import log as audit
from app.audit.log import Actor
from app.core import ids
from app.core.errors import NotFound
from app.db import Connection, Database
from app.identity import console_cookies, verify
from app.identity import store as identity
from app.identity.principal import Principal

LINK_SECONDS = 300
"""The time in which a portal link must be used."""


class Link(NamedTuple):
    """A portal link that is still valid."""

    secret: str
    row: asyncpg.Record


async def begin(accounts: Database, membership: asyncpg.Record) -> str:
    """Begin a session of a member who has just signed in. Return its cookie."""
    cookie = console_cookies.generate()
    row = SessionRow(
        id=ids.new_id(), digest=console_cookies.digest(cookie), member_id=membership["member_id"],
        tenant_version=membership["tenant_version"], member_version=membership["member_version"],
    )  # fmt: skip
    tenant_id = membership["tenant_id"]
    async with accounts.transaction(tenant_id) as connection:
        await store.insert_session(connection, tenant_id, row, seconds=console_cookies.SESSION_SECONDS)
    return cookie


async def end(accounts: Database, principal: Principal) -> None:
    """End the session of a caller."""
    assert principal.session is not None  # noqa: S101 only the console calls it
    async with accounts.transaction(principal.tenant_id) as connection:
        await store.delete_session(connection, principal.tenant_id, principal.session.id)


async def make_link(
    connection: Connection,
    actor: Actor,
    tenant_id: UUID,
    *,
    role: str,
    label: str | None = None,
    theme: str | None = None,
    return_url: str | None = None,
    key_id: str | None = None,
    session_seconds: int = console_cookies.SESSION_SECONDS,
) -> str:
    """Make a portal link, by a key or by an operator. Return its secret, which is not stored."""
    secret = console_cookies.generate()
    row = LinkRow(
        id=ids.new_id(), digest=console_cookies.digest(secret), key_id=key_id,
        operator=None if key_id else actor.name, role=role, label=label, theme=theme, return_url=return_url,
        session_seconds=session_seconds,
    )  # fmt: skip
    await store.insert_link(connection, tenant_id, row, seconds=LINK_SECONDS)
    return secret


async def find_link(auth: Database, secret: str) -> Link:
    """Return a portal link without using it up. Raises ``NotFound``, and ``TenantSuspended``."""
    async with auth.connection() as connection:
        row = await identity.find_link_any_tenant(connection, console_cookies.digest(secret))
    if row is None:
        raise _used_up()
    # The link is not used up, so it works again if the tenant is resumed in time.
    if row["status"] == "suspended":
        raise verify.tenant_suspended()
    return Link(secret, row)


async def use_link(accounts: Database, link: Link, address: str) -> str:
    """Use a portal link up, and begin its session. Return its cookie. Raises ``NotFound``."""
    row, tenant_id, cookie = link.row, link.row["tenant_id"], console_cookies.generate()
    session = SessionRow(
        id=ids.new_id(), digest=console_cookies.digest(cookie), tenant_version=row["tenant_version"],
        **{name: row[name] for name in ("key_id", "operator", "role", "label", "return_url")},
    )  # fmt: skip
    async with accounts.transaction(tenant_id) as connection:
        if not await store.take_link(connection, tenant_id, row["link_id"]):
            raise _used_up()
        await store.insert_session(connection, tenant_id, session, seconds=row["session_seconds"])
        await _record(connection, tenant_id, row, address)
    return cookie


async def _record(connection: Connection, tenant_id: UUID, row: Any, address: str) -> None:
    # Links are as many as their key's holder makes, and the audit log of a day is bounded.
    if not await audit.is_day_full(connection, tenant_id):
        actor = Actor("operator", row["operator"]) if row["operator"] else Actor("api_key", row["key_id"])
        detail = {"role": row["role"], **({"member": row["label"]} if row["label"] else {})}
        await audit.record(connection, tenant_id, actor.at(address), "portal_link.used", row["slug"], detail)


def _used_up() -> NotFound:
    return NotFound("This link was used already, or is older than five minutes. Ask for a new one.")
