"""Run the tasks that a filter selects again, as new tasks, a hundred in one transaction and within the quotas."""

from typing import Final
from uuid import UUID

from app.db import Connection, Database
from app.operations import choosing, store
from app.operations.paged_act import PagedAct
from app.operations.progress import Standing, StepResult, Waits
from app.operations.room import room_of, waits_for
from app.quotas import usage
from app.tasks import bulk_store
from app.tasks.selection import SelectedPage
from app.tasks.submit import copies
from app.tasks.submit.accept import Acceptor
from app.tasks.submit.decision import Refused
from app.tasks.submit.new_tasks import TaskSpecs

_AT_ONCE: Final = 100
# Bytes of payloads in one step. They are in memory, and in one message to Postgres, at the same time.
_MAX_BYTES: Final = 1_000_000


class BulkRetry(PagedAct):
    """Makes a new task of each ended one. It waits while a limit of the tenant leaves no room."""

    at_once = _AT_ONCE

    def __init__(self, worker: Database, acceptor: Acceptor, fence: UUID) -> None:
        """``worker`` logs in as tq_worker, ``acceptor`` stores the new tasks; ``fence`` is the dispatcher's token."""
        super().__init__(worker, fence)
        self._acceptor = acceptor

    async def select(self, connection: Connection, standing: Standing, limit: int) -> SelectedPage:
        """Return tasks that have ended."""
        return await bulk_store.ended(
            connection, standing.tenant_id, choosing.to_retry(standing), after=standing.cursor, limit=limit
        )

    async def act(self, standing: Standing, *, one_only: bool) -> Waits | None:
        """Make new tasks of the next ones."""
        page = await self._next(standing, one_only=one_only)
        if not page.matching:
            await self._advance(standing, StepResult(page.read_to))
            return None
        return await self._retry(standing, page)

    async def _retry(self, standing: Standing, page: SelectedPage) -> Waits | None:
        async with self._worker.transaction(standing.tenant_id) as connection:
            # Asked before, because a submit with ``also`` is refused as a whole if there is room for a part only.
            room = room_of(standing.limits, await usage.standing(connection, standing.tenant_id))
            page = page.first(max(room.tasks, 1))
            rows = await bulk_store.to_repeat(connection, standing.tenant_id, page.matching, _MAX_BYTES)
        if room.tasks <= 0:
            return waits_for(room.limit)
        if not rows:
            # All of them were deleted after their retention since the page was read.
            await self._advance(standing, StepResult(page.read_to, skipped=len(page.matching)))
            return None
        # The bound of bytes may have left tasks of the page out. The next step begins with them.
        page = page.first(page.matching.index(rows[-1]["task_id"]) + 1)
        return await self._accept(standing, copies.specs(standing.tenant_id, standing.limits, rows), page)

    async def _accept(self, standing: Standing, specs: TaskSpecs, page: SelectedPage) -> Waits | None:
        done = len(specs.tasks)
        progress = StepResult(page.read_to, done=done, skipped=len(page.matching) - done)
        step = store.advance_statement_any_tenant(standing, progress, self._fence)
        decided = await self._acceptor.accept(specs, also=[step])
        # Other submits were faster and have taken the room.
        return waits_for(decided.policy) if isinstance(decided, Refused) else None
