"""Limit how many lists and tasks with payloads are read at once, so that large reads do not delay other requests."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from app.core.errors import TooManyLists, Unavailable

MAX_LISTS: Final = 2
"""The most lists that one tenant may read at once in one process."""
# Seconds for which a request waits for a place.
_WAIT_TIMEOUT: Final = 1.0


class ListLimit:
    """Places for large reads: two for each tenant, and half of the connections for all tenants together."""

    def __init__(self, pool_size: int, require_postgres: Callable[[], Awaitable[None]]) -> None:
        """``pool_size`` is the number of connections that lists share with all other reads.

        ``require_postgres`` raises ``Unavailable`` if Postgres does not answer. In this case the places are taken by
        reads that hang, and the caller has not asked for too much.
        """
        self._require_postgres = require_postgres
        # The other half stays for short reads: ten slow lists once occupied the whole pool (decision 12).
        self._in_all = asyncio.Semaphore(max(1, pool_size // 2))
        # Contains only tenants that have a place or wait for one, so that it stays small.
        self._places: dict[UUID, _Places] = {}

    @asynccontextmanager
    async def place(self, tenant_id: UUID) -> AsyncIterator[None]:
        """Reserve a place while the context is open; wait for it for up to a second.

        Raises ``TooManyLists`` if the tenant uses all of its own places, ``Unavailable`` if other tenants use the rest.
        """
        places = self._places.setdefault(tenant_id, _Places())
        places.users += 1
        try:
            # The tenant's own place comes first: a tenant that waits for it must not occupy a place of all tenants.
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
    """The places of one tenant, and the number of requests that have one or wait for one."""

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
