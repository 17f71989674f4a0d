"""Delete ended tasks after the retention of their plan, in batches so small that no other statement waits long."""

import itertools
import logging
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Final
from uuid import UUID

from app.dispatch.leadership import Lead
from app.events import store as event_store
from app.schedules import due_store
from app.tasks import sweep_store
from app.tenants import plans, retention

_log = logging.getLogger(__name__)

# Rows in one batch, which is one transaction.
_BATCH: Final = 500
# Tenants in one tick. A tenant that has nothing to prune costs one probe of an index.
_MAX_TENANTS: Final = 20
# Days for which the fires of schedules are kept.
_FIRE_DAYS: Final = 30
# Seconds from the beginning of a cycle to the next one. With few tenants a cycle is short, and nothing is urgent here.
_CYCLE_INTERVAL: Final = 10.0


class Pruner:
    """Prunes one tenant after the other, again and again. A new leader begins with the first tenant."""

    def __init__(self, lead: Lead) -> None:
        """``lead`` has the connection, and the token that proves leadership in every write."""
        self._connection, self._fence = lead.connection, lead.token
        # The tenants of this cycle that are not visited yet, each with its retention.
        self._round: Iterator[tuple[UUID, timedelta]] = iter(())
        self._next_cycle = 0.0
        self._again: tuple[UUID, timedelta] | None = None
        self._has_more_keys = False

    @property
    def is_behind(self) -> bool:
        """Return whether the last batch was full. Then there may be more, and the next batch follows at once."""
        return self._again is not None or self._has_more_keys

    async def tick(self) -> int:
        """Delete at most one batch of tasks; return their number. A tenant that has more comes first next time."""
        keys = await sweep_store.prune_idempotency_keys_any_tenant(self._connection, _BATCH, self._fence)
        fires = await due_store.prune_any_tenant(self._connection, _FIRE_DAYS, _BATCH, self._fence)
        self._has_more_keys = max(keys, fires) >= _BATCH
        for tenant_id, age in await self._next_tenants():
            await sweep_store.prune_account(self._connection, tenant_id, _BATCH, self._fence)
            pruned = await sweep_store.prune(self._connection, tenant_id, age, _BATCH, self._fence)
            if pruned:
                self._again = (tenant_id, age) if pruned == _BATCH else None
                _log.info("pruned", extra={"tenant_id": str(tenant_id), "tasks": pruned})
                return pruned
        return 0

    async def _next_tenants(self) -> list[tuple[UUID, timedelta]]:
        if self._again is not None:
            again, self._again = self._again, None
            return [again]
        taken = list(itertools.islice(self._round, _MAX_TENANTS))
        if not taken and time.monotonic() >= self._next_cycle:
            self._next_cycle = time.monotonic() + _CYCLE_INTERVAL
            ages = await retention.by_tenant(self._connection)
            self._round = iter(ages.items())
            # Once a cycle. A tenant may change its plan, so no month is dropped before the longest retention of all
            # plans is over.
            longest = max([*ages.values(), timedelta(days=plans.MAX_RETENTION_DAYS)])
            await sweep_store.drop_partitions_any_tenant(self._connection, longest, self._fence)
            kept = await retention.longest_event_log_any_tenant(self._connection)
            await event_store.drop_days_any_tenant(self._connection, kept, self._fence)
        return taken
