"""Let at most four requests to one endpoint be under way. What is claimed beyond them waits here for its turn."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from app.webhooks.delivery.endpoint_concurrency import PER_ENDPOINT
from app.webhooks.url_key import EndpointKey

MAX_WAIT: Final = 1.0
"""Seconds for which a claimed delivery waits. Its place is one that other endpoints of the tenant need."""


class Turns:
    """The requests of one process, by endpoint. It remembers only endpoints that have some."""

    def __init__(self) -> None:
        self._places: dict[EndpointKey, asyncio.Semaphore] = {}
        self._users: Counter[EndpointKey] = Counter()

    @asynccontextmanager
    async def turn(self, endpoint: EndpointKey) -> AsyncIterator[bool]:
        """Wait for a turn, and keep it until the block ends. False: it has not come in time, so send nothing."""
        place = self._places.setdefault(endpoint, asyncio.Semaphore(PER_ENDPOINT))
        self._users[endpoint] += 1
        try:
            is_taken = await _take(place)
            try:
                yield is_taken
            finally:
                if is_taken:
                    place.release()
        finally:
            self._users[endpoint] -= 1
            if not self._users[endpoint]:
                del self._users[endpoint], self._places[endpoint]


async def _take(place: asyncio.Semaphore) -> bool:
    if not place.locked():
        # At once, and without a timer: so it is for most.
        await place.acquire()
        return True
    try:
        async with asyncio.timeout(MAX_WAIT):
            await place.acquire()
    except TimeoutError:
        return False
    return True
