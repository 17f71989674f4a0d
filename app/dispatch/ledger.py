"""Keep the ledger right: add ended attempts to their days, and compare counters with the rows that they count."""

import logging
from typing import Final
from uuid import UUID

from app.dispatch.leadership import Lead
from app.dispatch.long_task_caps import TaskDurations
from app.quotas import store

_log = logging.getLogger(__name__)

_MAX_ATTEMPTS: Final = 5_000


class Ledger:
    """The leader's upkeep of the ledger. A new leader can start without its memory."""

    def __init__(self, lead: Lead) -> None:
        """``lead`` is the right to write as the leading dispatcher."""
        self._connection, self._fence = lead.connection, lead.token
        self.lengths = TaskDurations()
        """Recent run times of the task types."""
        self._used: dict[UUID, float] = {}

    async def roll_up(self) -> int:
        """Add ended attempts to the usage of their day; return for how many tenants there were any."""
        used = await store.roll_up_any_tenant(self._connection, _MAX_ATTEMPTS, self._fence)
        for rolled in used:
            self._used[rolled.tenant_id] = self._used.get(rolled.tenant_id, 0.0) + rolled.seconds
            self.lengths.note(rolled.task, rolled.attempts, rolled.long_attempts)
        return len({rolled.tenant_id for rolled in used})

    async def take_used(self) -> dict[UUID, float]:
        """Return each tenant's worker seconds of attempts that have ended since the last call."""
        await self.roll_up()
        used, self._used = self._used, {}
        return used

    async def reconcile(self) -> int:
        """Correct the counts of slots and backlogs where the rows differ; return how many tenants had wrong counts."""
        off = await store.reconcile_any_tenant(self._connection, self._fence)
        for row in off:
            # This happens only after somebody changed rows by hand. Without it a lost slot would be lost for good.
            _log.error("ledger repaired", extra={**dict(row), "tenant_id": str(row["tenant_id"])})
        return len(off)
