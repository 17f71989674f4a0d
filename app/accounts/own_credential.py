"""Describe the credential of a call to its own caller."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from app.accounts import member_store, store
from app.db import Connection
from app.identity import credentials
from app.identity.principal import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCredential:
    """The credential that was sent. A token has the id and the name of the key or the member that it was made for."""

    kind: Literal["api_key", "token"]
    id: str
    """``key_id`` of a key, ``member_id`` of a member."""
    name: str
    """Name of a key, e-mail address of a member."""
    expires_at: datetime | None
    role: str | None = None
    """Role of the member; ``None`` for a key."""


async def find(connection: Connection, principal: Principal) -> OwnCredential:
    """Return the caller's credential. Raises ``Unauthenticated`` if its key or member was deleted just now."""
    tenant_id = principal.tenant_id
    if principal.member_id is not None:
        return await _of_member(connection, principal, tenant_id, principal.member_id)
    key = await store.find_key(connection, tenant_id, principal.key_id or "")
    if key is None:
        raise credentials.invalid()
    # A token is refused as soon as its key has ended, so the earlier of the two is the end.
    ends = [end for end in (_token_end(principal), key.expires_at) if end is not None]
    kind: Literal["api_key", "token"] = "token" if principal.token else "api_key"
    return OwnCredential(kind=kind, id=key.key_id, name=key.name, expires_at=min(ends, default=None))


async def _of_member(connection: Connection, principal: Principal, tenant_id: UUID, member_id: UUID) -> OwnCredential:
    member = await member_store.find(connection, tenant_id, member_id)
    if member is None:
        raise credentials.invalid()
    return OwnCredential(
        kind="token", id=str(member.id), name=member.email, expires_at=_token_end(principal), role=member.role
    )


def _token_end(principal: Principal) -> datetime | None:
    return None if principal.token is None else datetime.fromtimestamp(principal.token.expires_at, UTC)
