"""Tokens taken back before their end: one by its id, or all of a tenant. Each act is audited."""

from uuid import UUID

from app.accounts import store
from app.audit import store as audit
from app.audit.store import Actor
from app.db import Connection


async def revoke(connection: Connection, actor: Actor, tenant_id: UUID, jti: UUID, *, expires_at: float) -> None:
    """Kill one token, which must be remembered until its end (Unix seconds); a second time changes nothing.

    A token is always killed, and is in the audit log unless the tenant's day is full: tokens are made by the thousand.
    """
    is_new = await store.revoke_token(connection, tenant_id, jti, expires_at=expires_at)
    if is_new and not await audit.is_day_full(connection, tenant_id):
        await audit.record(connection, tenant_id, actor, "token.revoked", str(jti))


async def revoke_all(connection: Connection, actor: Actor, tenant_id: UUID, slug: str) -> None:
    """Kill every token of a tenant, of its keys and of its members."""
    await store.revoke_all_tokens(connection, tenant_id)
    await audit.record(connection, tenant_id, actor, "tenant.tokens_revoked", slug)
