"""Revoke access tokens before they expire: one by its id, or all of a tenant. Each call is audited."""

from uuid import UUID

from app.accounts import store
from app.audit import log as audit
from app.audit.log import Actor
from app.db import Connection


async def revoke(connection: Connection, actor: Actor, tenant_id: UUID, jti: UUID, *, expires_at: float) -> None:
    """Revoke one token until its end (Unix seconds). A second call changes nothing.

    The token is always revoked. The audit log gets an event unless the tenant's day is full, because a tenant can make
    and revoke thousands of tokens.
    """
    # First, and without a look at the audit log: a full log must never keep a stolen token valid.
    is_new = await store.revoke_token(connection, tenant_id, jti, expires_at=expires_at)
    if is_new and not await audit.is_day_full(connection, tenant_id):
        await audit.record(connection, tenant_id, actor, "token.revoked", str(jti))


async def revoke_all(connection: Connection, actor: Actor, tenant_id: UUID, slug: str) -> None:
    """Revoke every token that was made from the tenant's keys or for its members."""
    await store.revoke_all_tokens(connection, tenant_id)
    await audit.record(connection, tenant_id, actor, "tenant.tokens_revoked", slug)
