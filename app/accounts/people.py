"""Sign persons in by e-mail address and password: one password for all tenants, and one hash for each sign-in."""

import hmac
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import asyncpg

from app.accounts import member_store, person_store
from app.accounts.login_backoff import LoginBackoff
from app.accounts.passwords import Hasher, check, needs_rehash
from app.audit import log as audit
from app.core.errors import IllegalState, InvalidRequest, NotAccepted, TenantNeeded, Unauthenticated
from app.db import Database
from app.identity import console_cookies, verify
from app.identity import store as identity
from app.identity.principal import Actor

_log = logging.getLogger(__name__)
# One text for an unknown address, a wrong password and a disabled member: none of them may be told apart.
_WRONG: Final = "The e-mail address or the password is wrong."


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """A person whose password was right."""

    email: str
    version: int
    """Tokens and sessions of another version are invalid."""
    has_initial_password: bool
    """Somebody else has set the password, and may know it."""
    memberships: Sequence[asyncpg.Record] = field(repr=False)
    """Those that are not disabled, by slug: the rows of ``memberships_any_tenant``. There is at least one."""

    @property
    def accepted(self) -> Sequence[asyncpg.Record]:
        """Return the memberships that the person has accepted."""
        return [membership for membership in self.memberships if membership["is_accepted"]]

    def choose(self, slug: str | None) -> asyncpg.Record:
        """Return the membership in a tenant; without a slug the only one that was accepted.

        Raises ``TenantNeeded``, ``NotAccepted``, ``Unauthenticated`` for a tenant of others, ``TenantSuspended``.
        """
        if slug is None:
            if len(self.accepted) > 1:
                slugs = [membership["slug"] for membership in self.accepted]
                # The slugs may be told here: the password was right, so the caller is the person.
                raise TenantNeeded(
                    "You are a member of several tenants. Send the slug of one as tenant.", tenants=slugs
                )
            found = (self.accepted or self.memberships)[0]
        else:
            found = self.find(slug)
        if not found["is_accepted"]:
            raise NotAccepted("You have not accepted this invitation. Send its code as invitation, and its tenant.")
        # Only after the password was right: a stranger does not learn which tenants are suspended.
        if found["status"] == "suspended":
            raise verify.tenant_suspended()
        return found

    def find(self, slug: str) -> asyncpg.Record:
        """Return the membership in a tenant, accepted or not. Raises ``Unauthenticated``."""
        for membership in self.memberships:
            if membership["slug"] == slug:
                return membership
        raise _wrong()


class People:
    """Signs persons in, in one process."""

    def __init__(self, accounts: Database, auth: Database) -> None:
        """``accounts`` connects as the role tq_account, ``auth`` as tq_auth."""
        self.hasher = Hasher()
        self._accounts = accounts
        self.auth = auth
        """Connects as the role tq_auth."""
        self._backoff = LoginBackoff()

    def close(self) -> None:
        """Stop the threads that hash passwords."""
        self.hasher.close()

    async def is_known(self, email: str) -> bool:
        """Return whether a person has the e-mail address (in lower case)."""
        async with self.auth.connection() as connection:
            return await identity.is_person_any_tenant(connection, email)

    async def memberships(self, email: str) -> Sequence[asyncpg.Record]:
        """Return the memberships of a person, by slug."""
        async with self.auth.connection() as connection:
            return await identity.memberships_any_tenant(connection, email)

    async def sign_in(self, email: str, password: str) -> KnownPerson:
        """Return the person with this address and password. Each attempt is counted.

        Raises ``TooManyAttempts`` and ``Unauthenticated``. An unknown address, a wrong password and a person without a
        membership get the same answer after the same time.
        """
        address = email.strip().lower()
        # Before anything is looked up: an unknown address is limited like a known one, so the limit tells nothing.
        self._backoff.enter(address)
        rows = await self.memberships(address)
        # The connection is back in its pool by now, because verifying takes 20 ms and may wait for a thread.
        stored = rows[0]["password_hash"] if rows else None
        if not await self.hasher.verify(password, stored) or stored is None:
            # Without the address: it may contain a password that somebody typed into the wrong field.
            _log.warning("login failed", extra={"member_id": str(rows[0]["member_id"]) if rows else None})
            raise _wrong()
        self._backoff.succeed(address)
        person = KnownPerson(address, rows[0]["person_version"], rows[0]["password_is_initial"], rows)
        # The plain password is known only now, so this is the moment to store it with newer hash parameters.
        if needs_rehash(stored):
            await self._store(person, password, is_new=False)
        return person

    async def change_password(self, person: KnownPerson, actor: Actor, tenant_id: UUID, new: str) -> KnownPerson:
        """Set a new password, which ends all tokens and sessions of the person. Return the person after it.

        Raises ``InvalidRequest``, and ``IllegalState`` if the person was changed meanwhile.
        """
        check(new)
        version = await self._store(person, new, is_new=True, recorded=(actor, tenant_id))
        if version is None:
            raise IllegalState("Your password or your sessions were changed meanwhile. Sign in again.")
        return KnownPerson(
            person.email, version, has_initial_password=False, memberships=await self.memberships(person.email)
        )

    async def _store(
        self, person: KnownPerson, password: str, *, is_new: bool, recorded: tuple[Actor, UUID] | None = None
    ) -> int | None:
        tenant_id = person.memberships[0]["tenant_id"] if recorded is None else recorded[1]
        hashed = await self.hasher.hash(tenant_id, password)
        async with self._accounts.transaction(tenant_id) as connection:
            version = await person_store.set_password_any_tenant(
                connection, person.email, hashed, version=person.version, is_new=is_new
            )
            if recorded is not None and version is not None:
                await audit.record(connection, tenant_id, recorded[0], "member.password_changed", person.email)
        return version

    async def accept(self, person: KnownPerson, slug: str, code: str) -> KnownPerson:
        """Accept the invitation of a tenant with the code that it has made. Return the person after it.

        Raises ``Unauthenticated`` for a wrong code, and ``InvalidRequest`` as long as somebody else may know the
        person's password.
        """
        found = person.find(slug)
        if found["is_accepted"]:
            return person
        if not hmac.compare_digest(console_cookies.digest(code), found["invitation"] or b""):
            raise Unauthenticated(
                "This code is wrong. Ask the tenant for a new one: it removes you, and adds you again."
            )
        # Another tenant chose this password, and could sign in as the person and accept in its place.
        if person.has_initial_password:
            raise InvalidRequest("Choose a password of your own first: another tenant has set your present one.")
        tenant_id, actor = found["tenant_id"], Actor("member", person.email)
        async with self._accounts.transaction(tenant_id) as connection:
            if await member_store.accept(connection, tenant_id, found["member_id"]):
                await audit.record(connection, tenant_id, actor, "member.accepted", person.email)
        return KnownPerson(
            person.email, person.version, has_initial_password=False, memberships=await self.memberships(person.email)
        )

    async def sign_out_everywhere(self, email: str, actor: Actor, tenant_id: UUID) -> None:
        """End all tokens and sessions of a person, in every tenant."""
        async with self._accounts.transaction(tenant_id) as connection:
            await person_store.sign_out_any_tenant(connection, email)
            if not await audit.is_day_full(connection, tenant_id):
                await audit.record(connection, tenant_id, actor, "member.signed_out", email)


def _wrong() -> Unauthenticated:
    return Unauthenticated(_WRONG, headers={"WWW-Authenticate": 'Bearer realm="task-queue"'})
