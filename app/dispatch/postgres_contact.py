"""Measure for how long Postgres has answered without a gap (pure).

A dispatcher that could not look for a while must not rescue attempts at once: the workers could not write their
heartbeats either.
"""

from datetime import datetime, timedelta
from typing import Final

_MAX_GAP: Final = timedelta(seconds=5)


class PostgresContact:
    """The contact with Postgres, by the database's clock. A gap of more than 5 s ends it, and a new one begins."""

    def __init__(self) -> None:
        """Begin without contact."""
        self._since: datetime | None = None
        self._last: datetime | None = None

    def answered(self, now: datetime) -> None:
        """Note an answer, at the database's ``now()``."""
        if self._last is None or self._since is None or now - self._last > _MAX_GAP:
            self._since = now
        self._last = now

    def has_lasted(self, seconds: float) -> bool:
        """Return whether Postgres has answered for ``seconds``: time enough for a heartbeat of every living worker."""
        if self._since is None or self._last is None:
            return False
        return self._last - self._since >= timedelta(seconds=seconds)
