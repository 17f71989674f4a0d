"""Issue access tokens for a key or a member, and revoke them before they expire."""

import contextlib
from typing import Any
from uuid import UUID

import asyncpg

from app.accounts import member_store, revocation
from app.accounts.oauth import Client, OAuthError
from app.accounts.passwords import check
from app.accounts.people import People
from app.audit.log import Actor
from app.core.errors import InsufficientScope, InvalidRequest, TenantSuspended, Unauthenticated
from app.db import Connection, Database
from app.identity import tokens
from app.identity.keyring import Keyring
from app.identity.principal import Principal
from app.identity.scopes import ROLES
from app.identity.tokens import InvalidToken, Subject
from app.identity.verify import Verifier


class Tokens:
    """Issues and revokes access tokens in one process."""

    def __init__(self, accounts: Database, auth: Database, verifier: Verifier, keys: Keyring) -> None:
        """``accounts`` connects as the role tq_account, ``auth`` as tq_auth."""
        self.people = People(accounts, auth)
        self._accounts = accounts
        self._verifier = verifier
        self._keys = keys

    def close(self) -> None:
        """Stop the threads that hash passwords."""
        self.people.close()

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
        # One error for both: it must not tell that a key is valid but belongs to another client_id.
        if principal is None or principal.key_id != client.client_id:
            raise OAuthError("invalid_client", "This client_id or API key is invalid, expired or revoked.", 401)
        return principal

    async def login(
        self, email: str, password: str, tenant: str | None = None, invitation: str | None = None
    ) -> dict[str, Any]:
        """Return a token for a member of ``tenant``, a slug; None: of the only tenant of the person.

        With the code of an ``invitation`` the person accepts it first. Raises what ``People.sign_in``, ``accept`` and
        ``Person.choose`` raise.
        """
        person = await self.people.sign_in(email, password)
        if invitation is not None:
            if tenant is None:
                raise InvalidRequest("An invitation belongs to a tenant. Send its slug as tenant.")
            person = await self.people.accept(person, tenant, invitation)
        chosen = person.choose(tenant)
        return self._answer(_member_subject(chosen), ROLES[chosen["role"]])

    async def change_password(self, principal: Principal, actor: Actor, current: str, new: str) -> dict[str, Any]:
        """Set a member's new password, which ends its earlier tokens, and return a new token.

        Raises what ``login`` raises, ``InsufficientScope`` for a caller who is not a member, and ``InvalidRequest``.
        """
        if principal.email is None:
            raise InsufficientScope("Only a member has a password. Log in, and send the token of the login.")
        # Before the sign-in, which costs a hash and counts as an attempt.
        check(new)
        # The current password is needed again, so that a stolen token cannot take over the account.
        person = await self.people.sign_in(principal.email, current)
        person = await self.people.change_password(person, actor, principal.tenant_id, new)
        chosen = person.choose(principal.slug)
        return self._answer(_member_subject(chosen), ROLES[chosen["role"]])

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


def _member_subject(row: asyncpg.Record) -> Subject:
    return Subject(
        row["tenant_id"], row["tenant_version"], member_id=row["member_id"], member_version=row["member_version"]
    )


async def _actor(connection: Connection, tenant_id: UUID, subject: Subject) -> Actor | None:
    if subject.member_id is None:
        return Actor("api_key", subject.key_id or "")
    member = await member_store.find(connection, tenant_id, subject.member_id)
    return Actor("member", member.email) if member else None
