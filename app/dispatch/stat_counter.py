"""Count for the statistics what no end counts: submits, and the time in which tenants are at their limit."""

from typing import Final
from uuid import UUID

from app.dispatch.leadership import Lead
from app.stats import store

INTERVAL: Final = 15.0
"""Seconds between two looks, so a submit is counted that late."""
# Some looks may be late. What was marked before is not marked again.
_LOOKS_BACK: Final = 2 * INTERVAL
# Tenants in one transaction.
_MAX_TENANTS: Final = 500


class StatCounter:
    """Looks which tenants have submitted anything since the last look. A new leader begins with all of them."""

    def __init__(self, lead: Lead) -> None:
        """``lead`` has the connection, and the token that proves leadership in every write."""
        self._connection, self._fence = lead.connection, lead.token
        self._counted: dict[UUID, int] = {}
        """The tasks that each tenant had ever submitted when its submits were counted."""

    async def look(self) -> int:
        """Count the new submits, and mark the tenants that are at their limit; return how many submits were counted."""
        await store.mark_limits_any_tenant(self._connection, _LOOKS_BACK, self._fence)
        admitted = await store.admitted_any_tenant(self._connection)
        changed = [tenant_id for tenant_id, count in admitted.items() if self._counted.get(tenant_id) != count]
        added = 0
        for place in range(0, len(changed), _MAX_TENANTS):
            page = changed[place : place + _MAX_TENANTS]
            added += await store.count_submits_any_tenant(self._connection, page, self._fence)
        # Only now: if a page fails, the next look counts all of these tenants again, and each task once.
        self._counted = admitted
        return added
