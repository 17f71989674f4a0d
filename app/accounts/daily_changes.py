"""How many changes of keys and members a tenant may make in a day, so that what is kept of them stays bounded."""

from uuid import UUID

from app.audit import store as audit
from app.audit.store import Actor
from app.core.errors import LimitReached
from app.db import Connection


async def admit(connection: Connection, actor: Actor, tenant_id: UUID) -> None:
    """Refuse another change that gives rights, after too many in 24 hours. Operators are not counted.

    Raises ``LimitReached``. What takes rights away is never refused: do not call it there.
    """
    if actor.type != "operator" and await audit.is_day_full(connection, tenant_id):
        raise LimitReached(
            f"A tenant may make {audit.MAX_EVENTS_PER_DAY} changes of keys and members in 24 hours. Try again later."
        )
