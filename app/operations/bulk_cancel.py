"""Cancel the tasks that a filter selects, fifty in one transaction."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from redis.asyncio import Redis

from app.db import Connection, Database
from app.operations import choosing, store
from app.operations.page_size import PageSize
from app.operations.progress import Standing, StepResult, Waits
from app.tasks import bulk_store
from app.tasks.run import cancellation
from app.tasks.run.end import ManyCancelled
from app.tasks.selection import SelectedPage

# The tenant's slots are locked while a step ends its tasks, and claims of other tenants in the same group wait for
# them. Fifty tasks take about ten milliseconds, and a larger step costs no less for each task.
_AT_ONCE: Final = 50


class BulkCancel:
    """Ends waiting tasks as REVOKED and asks running ones to end, as a cancel of one task does."""

    def __init__(self, worker: Database, redis: Redis, fence: UUID) -> None:
        """``worker`` logs in as tq_worker; ``fence`` is the token of the dispatcher's lease."""
        self._worker = worker
        self._redis = redis
        self._fence = fence
        self._sizes: dict[UUID, PageSize] = {}

    async def count(self, standing: Standing, limit: int) -> None:
        """Count the tasks of the next page."""
        page = await self._page(standing, limit)
        await self._advance(standing, StepResult(page.read_to, total=len(page.matching)))

    async def act(self, standing: Standing, *, one_only: bool) -> Waits | None:
        """Cancel the next tasks."""
        size = self._sizes.setdefault(standing.id, PageSize(_AT_ONCE))
        found = await self._page(standing, size.next)
        size.saw(len(found.matching))
        page = found.first(1 if one_only else _AT_ONCE)
        if page.read_to is None:
            self._sizes.pop(standing.id, None)
        if page.matching:
            await self._cancel(standing, page.matching, page.read_to)
        else:
            await self._advance(standing, StepResult(page.read_to))
        return None

    async def give_up(self, standing: Standing, reason: str) -> None:
        """Record that the next task cannot be cancelled."""
        page = (await self._page(standing, self._sizes.setdefault(standing.id, PageSize(_AT_ONCE)).next)).first(1)
        errors = [{"task_id": str(task_id), "detail": reason} for task_id in page.matching]
        await self._advance(standing, StepResult(page.read_to, failed=len(errors), errors=errors))

    async def _page(self, standing: Standing, limit: int) -> SelectedPage:
        async with self._worker.transaction(standing.tenant_id) as connection:
            return await bulk_store.unfinished(
                connection, standing.tenant_id, choosing.to_cancel(standing), after=standing.cursor, limit=limit
            )

    async def _cancel(self, standing: Standing, task_ids: Sequence[UUID], read_to: UUID | None) -> None:
        async def settle(connection: Connection, cancelled: ManyCancelled) -> None:
            done = len(cancelled.revoked) + len(cancelled.asked)
            progress = StepResult(read_to, done=done, skipped=len(cancelled.left))
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

    async def _advance(self, standing: Standing, progress: StepResult) -> None:
        async with self._worker.transaction(standing.tenant_id) as connection:
            await store.advance(connection, standing.tenant_id, standing, progress, self._fence)
