"""The ends of all tenants by hour, read at most twice a minute however many pages are open."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from app.db import Database
from app.stats import buckets, series
from app.stats.buckets import Bucket
from app.stats.schemas import StatsPoint

_KEPT_SECONDS: Final = 30.0


class ServiceHours:
    """Remembers the last 24 hours of the whole service for half a minute."""

    def __init__(self, database: Database) -> None:
        """``database`` logs in as tq_admin."""
        self._database = database
        self._one_at_a_time = asyncio.Lock()
        self._points: Sequence[StatsPoint] = ()
        self._good_until = 0.0

    async def read(self) -> Sequence[StatsPoint]:
        """Return a point for each hour, oldest first."""
        async with self._one_at_a_time:
            if time.monotonic() >= self._good_until:
                asked = buckets.span(Bucket.HOUR, None, None, datetime.now(UTC))
                self._points = await series.read_any_tenant(self._database, asked)
                self._good_until = time.monotonic() + _KEPT_SECONDS
            return self._points
