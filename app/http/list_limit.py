"""How many lists, and tasks with their payloads, are read at once: what is large must not keep others waiting."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from app.core.errors import TooManyLists, Unavailable

MAX_LISTS: Final = 2
"""Of one tenant at once, in one process."""
_WAIT_TIMEOUT: Final = 1.0


class ListLimit:
    """Places for such reads: two for a tenant, and for all tenants together half of a pool of connections."""

    def __init__(self, pool_size: int, require_postgres: Callable[[], Awaitable[None]]) -> None:
        """``pool_size`` is how many connections the lists and everything else share.

        ``require_postgres`` raises ``Unavailable`` where Postgres does not answer: then nobody has asked for too much.
        """
        self._require_postgres = require_postgres
        self._in_all = asyncio.Semaphore(max(1, pool_size // 2))
        # Only of the tenants that hold a place or wait for one.
        self._places: dict[UUID, _Places] = {}

    @asynccontextmanager
    async def place(self, tenant_id: UUID) -> AsyncIterator[None]:
        """Hold a place. Raises ``TooManyLists`` after a second in vain, ``Unavailable`` where others hold all."""
        places = self._places.setdefault(tenant_id, _Places())
        places.users += 1
        try:
            if not await _acquired(places):
                await self._require_postgres()
                raise TooManyLists
            try:
                if not await _acquired(self._in_all):
                    raise Unavailable
                try:
                    yield
                finally:
                    self._in_all.release()
            finally:
                places.release()
        finally:
            places.users -= 1
            if not places.users:
                del self._places[tenant_id]


class _Places(asyncio.Semaphore):
    """The places of one tenant, and how many hold one or wait for one."""

    def __init__(self) -> None:
        super().__init__(MAX_LISTS)
        self.users = 0


async def _acquired(places: asyncio.Semaphore) -> bool:
    try:
        async with asyncio.timeout(_WAIT_TIMEOUT):
            await places.acquire()
    except TimeoutError:
        return False
    return True
