"""Visit the tasks or deliveries that an operation selects, page by page, and record how far it has come."""

from uuid import UUID

from app.db import Connection, Database
from app.operations import store
from app.operations.page_size import PageSize
from app.operations.progress import Standing, StepResult
from app.tasks.selection import SelectedPage


class PagedAct:
    """The common steps of the acts on many objects. A subclass selects them (``select``) and acts on them."""

    at_once: int
    """Objects on which one step acts at most."""
    names = "task_id"
    """The member of a failure that names the object."""

    def __init__(self, worker: Database, fence: UUID) -> None:
        """``worker`` logs in as tq_worker; ``fence`` is the token of the dispatcher's lease."""
        self._worker = worker
        self._fence = fence
        self._sizes: dict[UUID, PageSize] = {}

    async def select(self, connection: Connection, standing: Standing, limit: int) -> SelectedPage:
        """Return the next page of what to act on. It reads at most ``limit`` objects."""
        raise NotImplementedError

    async def count(self, standing: Standing, limit: int) -> None:
        """Count the objects of the next page."""
        page = await self._page(standing, limit)
        await self._advance(standing, StepResult(page.read_to, total=len(page.matching)))

    async def give_up(self, standing: Standing, reason: str) -> None:
        """Record that the operation cannot act on the next object."""
        page = (await self._page(standing, self._size(standing).next)).first(1)
        errors = [self.failure(one, reason) for one in page.matching]
        await self._advance(standing, StepResult(page.read_to, failed=len(errors), errors=errors))

    def failure(self, one: UUID, reason: str) -> dict[str, str | None]:
        """Return the entry of an object for the errors of the operation."""
        return {self.names: str(one), "detail": reason}

    async def _next(self, standing: Standing, *, one_only: bool) -> SelectedPage:
        """Return the objects of the next step."""
        size = self._size(standing)
        found = await self._page(standing, size.next)
        size.saw(len(found.matching))
        # The walk is over, so its size is forgotten.
        if found.read_to is None:
            self._sizes.pop(standing.id, None)
        return found.first(1 if one_only else self.at_once)

    def _size(self, standing: Standing) -> PageSize:
        return self._sizes.setdefault(standing.id, PageSize(self.at_once))

    async def _page(self, standing: Standing, limit: int) -> SelectedPage:
        async with self._worker.transaction(standing.tenant_id) as connection:
            return await self.select(connection, standing, limit)

    async def _advance(self, standing: Standing, progress: StepResult) -> None:
        async with self._worker.transaction(standing.tenant_id) as connection:
            await store.advance(connection, standing.tenant_id, standing, progress, self._fence)
