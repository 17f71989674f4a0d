"""Maintain the usage ledger: add ended attempts to their day, and compare the counters with the rows they count."""

import logging
from typing import Final
from uuid import UUID

from app.dispatch.leadership import Lead
from app.dispatch.long_task_caps import TaskDurations
from app.quotas import store
from app.tasks.run import timing

_log = logging.getLogger(__name__)

# Ended attempts in one roll-up, so that the transaction stays short.
_MAX_ATTEMPTS: Final = 5_000


class Ledger:
    """Maintains the ledger for the leader.

    It also collects what the roll-up reads along the way: worker seconds for fair shares, and run times of task types.
    A new leader starts without these numbers.
    """

    def __init__(self, lead: Lead) -> None:
        """``lead`` has the connection, and the token that proves leadership in every write."""
        self._connection, self._fence = lead.connection, lead.token
        self.lengths = TaskDurations()
        """Recent run times of the task types."""
        self._used: dict[UUID, float] = {}

    async def roll_up(self) -> int:
        """Add ended attempts to the usage of their day; return how many tenants had any."""
        used = await store.roll_up_any_tenant(
            self._connection, _MAX_ATTEMPTS, self._fence, short_attempt=timing.SHORT_ATTEMPT
        )
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
        """Correct counts of slots and backlogs that differ from the rows; return how many tenants had wrong counts."""
        off = await store.reconcile_any_tenant(self._connection, self._fence)
        for row in off:
            # Counts are wrong only if somebody changed rows by hand. Without the repair a lost slot would never return.
            _log.error("ledger repaired", extra={**dict(row), "tenant_id": str(row["tenant_id"])})
        return len(off)
