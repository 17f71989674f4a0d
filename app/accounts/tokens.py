"""Access tokens: made for a key or a member, and revoked before their end."""

import contextlib
import logging
from typing import Any, Final
from uuid import UUID

import asyncpg

from app.accounts import member_store, members, revocation
from app.accounts.attempts import Attempts
from app.accounts.oauth import Client, OAuthError
from app.accounts.passwords import Hasher, check, needs_rehash
from app.audit.store import Actor
from app.core.errors import InsufficientScope, TenantSuspended, Unauthenticated
from app.db import Connection, Database
from app.identity import store as identity
from app.identity import tokens, verify
from app.identity.keyring import Keyring
from app.identity.principal import Principal
from app.identity.scopes import ROLES
from app.identity.tokens import InvalidToken, Subject
from app.identity.verify import Verifier

_log = logging.getLogger(__name__)
_WRONG: Final = "The e-mail address or the password is wrong."


class Tokens:
    """Makes and revokes tokens for one process."""

    def __init__(self, accounts: Database, auth: Database, verifier: Verifier, keys: Keyring) -> None:
        """``accounts`` is of the role tq_account, ``auth`` of tq_auth."""
        self.hasher = Hasher()
        self._accounts = accounts
        self._auth = auth
        self._verifier = verifier
        self._keys = keys
        self._attempts = Attempts()

    def close(self) -> None:
        """Take no more passwords."""
        self.hasher.close()

    def published_keys(self) -> list[dict[str, Any]]:
        """Return the keys by which anybody may verify our tokens, as JWKs."""
        return self._keys.published(self._verifier.now())

    async def exchange(self, client: Client, fields: dict[str, str]) -> dict[str, Any]:
        """Return a token for an API key, as RFC 6749 (4.4) has it; raises ``OAuthError`` or ``Unavailable``."""
        if not (grant := fields.get("grant_type")):
            raise OAuthError("invalid_request", "Send grant_type=client_credentials.")
        if grant != "client_credentials":
            raise OAuthError("unsupported_grant_type", "The one grant_type is client_credentials.")
        principal = await self._client(client)
        wanted = frozenset(fields.get("scope", "").split()) or principal.scopes
        if not principal.scopes.issuperset(wanted):
            raise OAuthError("invalid_scope", "The key does not have these scopes.")
        subject = Subject(principal.tenant_id, principal.tenant_version, key_id=principal.key_id)
        return self._answer(subject, wanted)

    async def _client(self, client: Client) -> Principal:
        try:
            # A token is no client secret: it would live on for ever.
            principal = await self._verifier.verify(client.client_secret) if "." not in client.client_secret else None
        except Unauthenticated:
            principal = None
        except TenantSuspended as suspended:
            raise OAuthError("unauthorized_client", suspended.detail, TenantSuspended.status) from None
        if principal is None or principal.key_id != client.client_id:
            raise OAuthError("invalid_client", "The client's credentials do not hold.", 401)
        return principal

    async def login(self, email: str, password: str) -> dict[str, Any]:
        """Return a token for a member.

        Raises ``TooManyAttempts``; ``Unauthenticated``, which tells an unknown address from a wrong password and from
        a member who is barred by nothing, not by its time either; and ``TenantSuspended`` to who knows the password.
        """
        row = await self._member(email, password)
        if row["status"] == "suspended":
            raise verify.suspended()
        if needs_rehash(row["password_hash"]):
            await self._rehash(row, password)
        return self._answer(_member_subject(row, row["member_version"]), ROLES[row["role"]])

    async def check_address(self, email: str) -> None:
        """Refuse the address of a member, of whichever tenant; raises ``EmailTaken``."""
        async with self._auth.connection() as connection:
            if await identity.is_address_taken_any_tenant(connection, email):
                raise members.taken()

    async def _member(self, email: str, password: str) -> asyncpg.Record:
        """Return the member whose password this is; the tries are counted."""
        address = email.strip().lower()
        self._attempts.enter(address)
        async with self._auth.connection() as connection:
            row = await identity.find_login_any_tenant(connection, address)
        is_right = await self.hasher.verify(password, row["password_hash"] if row else None)
        if row is None or not is_right:
            _log.warning("login failed", extra={"member_id": row and str(row["member_id"])})
            raise Unauthenticated(_WRONG, headers={"WWW-Authenticate": 'Bearer realm="task-queue"'})
        self._attempts.succeed(address)
        return row

    async def _rehash(self, row: asyncpg.Record, password: str) -> None:
        tenant_id = row["tenant_id"]
        hashed = await self.hasher.hash(tenant_id, password)
        async with self._accounts.transaction(tenant_id) as connection:
            await member_store.set_hash(connection, tenant_id, row["member_id"], hashed, version=row["member_version"])

    async def change_password(self, principal: Principal, actor: Actor, current: str, new: str) -> dict[str, Any]:
        """Give a member its new password and a token under it; every earlier token of the member's is dead.

        Raises what ``login`` raises, ``InsufficientScope`` for a caller who is no member, and ``InvalidRequest``.
        """
        if principal.email is None:
            raise InsufficientScope("Only a member has a password: log in, and send the token of the login.")
        check(new)
        row = await self._member(principal.email, current)
        hashed = await self.hasher.hash(principal.tenant_id, new)
        async with self._accounts.transaction(principal.tenant_id) as connection:
            version = await members.set_password(connection, actor, principal.tenant_id, row["member_id"], hashed)
        return self._answer(_member_subject(row, version), ROLES[row["role"]])

    async def revoke(self, token: str, address: str) -> None:
        """Kill a token of ours; what is none, or is dead already, changes nothing (RFC 7009)."""
        try:
            claims = tokens.read(token, self._keys)
        except InvalidToken:
            return
        if not claims.is_current(self._verifier.now()):
            return
        tenant_id = claims.subject.tenant_id
        # Not by asking who is calling: a token of a suspended tenant would live again when that one returns.
        with contextlib.suppress(asyncpg.ForeignKeyViolationError):
            async with self._accounts.transaction(tenant_id) as connection:
                if actor := await _actor(connection, tenant_id, claims.subject):
                    await revocation.revoke(
                        connection, actor.at(address), tenant_id, claims.jti, expires_at=claims.ends_at
                    )

    def _answer(self, subject: Subject, scopes: frozenset[str]) -> dict[str, Any]:
        return {
            "access_token": tokens.sign(subject, scopes, self._keys, self._verifier.now()),
            "token_type": "Bearer",
            "expires_in": tokens.LIFETIME_SECONDS,
            "scope": " ".join(sorted(scopes)),
        }


def _member_subject(row: asyncpg.Record, version: int) -> Subject:
    return Subject(row["tenant_id"], row["tenant_version"], member_id=row["member_id"], member_version=version)


async def _actor(connection: Connection, tenant_id: UUID, subject: Subject) -> Actor | None:
    if subject.member_id is None:
        return Actor("api_key", subject.key_id or "")
    member = await member_store.find(connection, tenant_id, subject.member_id)
    return Actor("member", member.email) if member else None
