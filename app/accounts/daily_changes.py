"""Limit the changes of keys, members and webhooks that a tenant may make in a day: the audit log stays bounded."""

from uuid import UUID

from app.audit import log as audit
from app.audit.log import Actor
from app.core.errors import LimitReached
from app.db import Connection


async def admit(connection: Connection, actor: Actor, tenant_id: UUID) -> None:
    """Check that the tenant may make another change that gives rights. Raises ``LimitReached``.

    Operators are not counted. Do not call it for changes that take rights away: those are never refused.
    """
    # The number of audit events is the count: every change writes one.
    if actor.type != "operator" and await audit.is_day_full(connection, tenant_id):
        raise LimitReached(
            f"A tenant may make {audit.MAX_EVENTS_PER_DAY} changes of keys, members and webhooks in 24 hours."
            " Try again later."
        )
