"""Cancel the tasks that a filter selects, fifty in one transaction."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from redis.asyncio import Redis

from app.db import Connection, Database
from app.operations import choosing, store
from app.operations.paged_act import PagedAct
from app.operations.progress import Standing, StepResult, Waits
from app.tasks import bulk_store
from app.tasks.run import cancellation
from app.tasks.run.end import ManyCancelled
from app.tasks.selection import SelectedPage

# The tenant's slots are locked while a step ends its tasks, and claims of other tenants in the same group wait for
# them. Fifty tasks take about ten milliseconds, and a larger step costs no less for each task.
_AT_ONCE: Final = 50


class BulkCancel(PagedAct):
    """Ends waiting tasks as REVOKED and asks running ones to end, as a cancel of one task does."""

    at_once = _AT_ONCE

    def __init__(self, worker: Database, redis: Redis, fence: UUID) -> None:
        """``worker`` logs in as tq_worker; ``fence`` is the token of the dispatcher's lease."""
        super().__init__(worker, fence)
        self._redis = redis

    async def select(self, connection: Connection, standing: Standing, limit: int) -> SelectedPage:
        """Return tasks that have not ended."""
        return await bulk_store.unfinished(
            connection, standing.tenant_id, choosing.to_cancel(standing), after=standing.cursor, limit=limit
        )

    async def act(self, standing: Standing, *, one_only: bool) -> Waits | None:
        """Cancel the next tasks."""
        page = await self._next(standing, one_only=one_only)
        if page.matching:
            await self._cancel(standing, page.matching, page.read_to)
        else:
            await self._advance(standing, StepResult(page.read_to))
        return None

    async def _cancel(self, standing: Standing, task_ids: Sequence[UUID], read_to: UUID | None) -> None:
        async def settle(connection: Connection, cancelled: ManyCancelled) -> None:
            done = len(cancelled.revoked) + len(cancelled.asked)
            progress = StepResult(read_to, done=done, skipped=len(cancelled.left))
            # In the transaction of the cancel: whatever dies, no task is counted twice (decision 18).
            await store.advance(connection, standing.tenant_id, standing, progress, self._fence)

        await cancellation.cancel_many(
            self._worker,
            self._redis,
            standing.tenant_id,
            task_ids,
            # Of a filter without STARTED, a task that has started meanwhile no longer matches.
            asks_running="STARTED" in choosing.to_cancel(standing).statuses,
            settle=settle,
        )
