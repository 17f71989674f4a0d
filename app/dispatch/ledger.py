"""The ledger's upkeep: ended attempts are added to their days, and counters are held against the rows they count."""

import logging
from typing import Final
from uuid import UUID

from app.dispatch.leadership import Lead
from app.dispatch.slot_caps import TaskLengths
from app.quotas import store

_log = logging.getLogger(__name__)

_AT_ONCE: Final = 5_000


class Ledger:
    """Works on the leader's own connection; what it remembers can be lost."""

    def __init__(self, lead: Lead) -> None:
        """Count as the dispatcher that leads."""
        self._connection, self._fence = lead.connection, lead.token
        self.lengths = TaskLengths()
        """How long the attempts of each task type took lately."""
        self._used: dict[UUID, float] = {}

    async def roll_up(self) -> int:
        """Add what has ended to its day; return of how many tenants there was something."""
        used = await store.roll_up_any_tenant(self._connection, _AT_ONCE, self._fence)
        for rolled in used:
            self._used[rolled.tenant_id] = self._used.get(rolled.tenant_id, 0.0) + rolled.seconds
            self.lengths.note(rolled.task, rolled.attempts, rolled.long_attempts)
        return len({rolled.tenant_id for rolled in used})

    async def take_used(self) -> dict[UUID, float]:
        """Return the worker seconds of what has ended since this was asked last, by tenant."""
        await self.roll_up()
        used, self._used = self._used, {}
        return used

    async def reconcile(self) -> int:
        """Make the counts of slots and backlogs what the rows say; return how many tenants' were off."""
        off = await store.reconcile_any_tenant(self._connection, self._fence)
        for row in off:
            # Never seen but after somebody's own SQL; a slot that is lost would be lost for good.
            _log.error("ledger repaired", extra={**dict(row), "tenant_id": str(row["tenant_id"])})
        return len(off)
