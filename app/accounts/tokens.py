"""Issue access tokens for a key or a member, and revoke them before they expire."""

import contextlib
import logging
from typing import Any, Final
from uuid import UUID

import asyncpg

from app.accounts import member_store, members, revocation
from app.accounts.login_backoff import LoginBackoff
from app.accounts.oauth import Client, OAuthError
from app.accounts.passwords import Hasher, check, needs_rehash
from app.audit.log import Actor
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
# One text for an unknown address, a wrong password and a disabled member: none of them may be told apart.
_WRONG: Final = "The e-mail address or the password is wrong."


class Tokens:
    """Issues and revokes access tokens in one process."""

    def __init__(self, accounts: Database, auth: Database, verifier: Verifier, keys: Keyring) -> None:
        """``accounts`` connects as the role tq_account, ``auth`` as tq_auth."""
        self.hasher = Hasher()
        self._accounts = accounts
        self._auth = auth
        self._verifier = verifier
        self._keys = keys
        self._backoff = LoginBackoff()

    def close(self) -> None:
        """Stop the threads that hash passwords."""
        self.hasher.close()

    def published_keys(self) -> list[dict[str, Any]]:
        """Return the public keys that verify our tokens, as JWKs."""
        return self._keys.published(self._verifier.now())

    async def exchange(self, client: Client, fields: dict[str, str]) -> dict[str, Any]:
        """Return a token for an API key (RFC 6749, section 4.4). Raises ``OAuthError`` or ``Unavailable``."""
        if not (grant := fields.get("grant_type")):
            raise OAuthError("invalid_request", "Send grant_type=client_credentials.")
        if grant != "client_credentials":
            raise OAuthError("unsupported_grant_type", "Only grant_type=client_credentials is supported.")
        principal = await self._client(client)
        # A client may ask for fewer scopes than its key has, but never for more (RFC 6749, section 3.3).
        wanted = frozenset(fields.get("scope", "").split()) or principal.scopes
        if not principal.scopes.issuperset(wanted):
            raise OAuthError(
                "invalid_scope", "The API key does not have all of these scopes. Ask for fewer, or leave scope out."
            )
        subject = Subject(principal.tenant_id, principal.tenant_version, key_id=principal.key_id)
        return self._answer(subject, wanted)

    async def _client(self, client: Client) -> Principal:
        try:
            # A token is not accepted as a client secret. Otherwise a token could renew itself for ever.
            principal = await self._verifier.verify(client.client_secret) if "." not in client.client_secret else None
        except Unauthenticated:
            principal = None
        except TenantSuspended as suspended:
            raise OAuthError("unauthorized_client", suspended.detail, TenantSuspended.status) from None
        if principal is None or principal.key_id != client.client_id:
            raise OAuthError("invalid_client", "This client_id or API key is invalid, expired or revoked.", 401)
        return principal

    async def login(self, email: str, password: str) -> dict[str, Any]:
        """Return a token for a member.

        Raises ``TooManyAttempts``, ``Unauthenticated`` and, only after a right password, ``TenantSuspended``. An
        unknown address, a wrong password and a disabled member get the same answer after the same time.
        """
        row = await self._member(email, password)
        # Only after the password was right: a stranger does not learn which tenants are suspended.
        if row["status"] == "suspended":
            raise verify.tenant_suspended()
        # The plain password is known only now, so this is the moment to store it with newer hash parameters.
        if needs_rehash(row["password_hash"]):
            await self._rehash(row, password)
        return self._answer(_member_subject(row, row["member_version"]), ROLES[row["role"]])

    async def check_address(self, email: str) -> None:
        """Check that no member of any tenant has the e-mail address. Raises ``EmailTaken``."""
        async with self._auth.connection() as connection:
            if await identity.is_address_taken_any_tenant(connection, email):
                raise members.taken()

    async def _member(self, email: str, password: str) -> asyncpg.Record:
        """Return the member with this address and password. Each attempt is counted."""
        address = email.strip().lower()
        self._backoff.enter(address)
        async with self._auth.connection() as connection:
            row = await identity.find_login_any_tenant(connection, address)
        # The connection is back in its pool by now, because verifying takes 20 ms and may wait for a thread.
        is_right = await self.hasher.verify(password, row["password_hash"] if row else None)
        if row is None or not is_right:
            # Without the address: it may contain a password that somebody typed into the wrong field.
            _log.warning("login failed", extra={"member_id": row and str(row["member_id"])})
            raise Unauthenticated(_WRONG, headers={"WWW-Authenticate": 'Bearer realm="task-queue"'})
        self._backoff.succeed(address)
        return row

    async def _rehash(self, row: asyncpg.Record, password: str) -> None:
        tenant_id = row["tenant_id"]
        hashed = await self.hasher.hash(tenant_id, password)
        async with self._accounts.transaction(tenant_id) as connection:
            await member_store.set_hash(connection, tenant_id, row["member_id"], hashed, version=row["member_version"])

    async def change_password(self, principal: Principal, actor: Actor, current: str, new: str) -> dict[str, Any]:
        """Set a member's new password, which ends its earlier tokens, and return a new token.

        Raises what ``login`` raises, ``InsufficientScope`` for a caller who is not a member, and ``InvalidRequest``.
        """
        if principal.email is None:
            raise InsufficientScope("Only a member has a password. Log in, and send the token of the login.")
        check(new)
        # The current password is needed again, so that a stolen token cannot take over the account.
        row = await self._member(principal.email, current)
        hashed = await self.hasher.hash(principal.tenant_id, new)
        async with self._accounts.transaction(principal.tenant_id) as connection:
            version = await members.set_password(connection, actor, principal.tenant_id, row["member_id"], hashed)
        return self._answer(_member_subject(row, version), ROLES[row["role"]])

    async def revoke(self, token: str, address: str) -> None:
        """Revoke a token (RFC 7009). A text that is not a valid token changes nothing."""
        try:
            claims = tokens.read(token, self._keys)
        except InvalidToken:
            return
        if not claims.is_current(self._verifier.now()):
            return
        tenant_id = claims.subject.tenant_id
        # The verifier is not asked: it refuses a suspended tenant, whose token would then be valid again after it.
        # The tenant may have been erased since the token was signed. Then there is nothing to revoke.
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
