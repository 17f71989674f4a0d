"""Measure for how long Postgres has answered without a gap (pure).

After an outage of Postgres the dispatcher must not rescue attempts at once: the workers could not write their
heartbeats either, so all of them look dead.
"""

from datetime import datetime, timedelta
from typing import Final

# Longer than a round usually takes, and shorter than the 15 s after which a worker counts as dead.
_MAX_GAP: Final = timedelta(seconds=5)


class PostgresContact:
    """The time since Postgres answers, by the database's clock.

    It starts again after a gap of more than 5 s, and when the clock was set back.
    """

    def __init__(self) -> None:
        """Begin without contact."""
        self._since: datetime | None = None
        self._last: datetime | None = None

    def answered(self, now: datetime) -> None:
        """Record an answer; ``now`` is the database's time in it."""
        # The clock may be set back, or be another server's after a failover. If the time before counted, nobody would
        # be rescued until the clock has caught up.
        if self._last is None or not timedelta() <= now - self._last <= _MAX_GAP:
            self._since = now
        self._last = now

    @property
    def since(self) -> datetime | None:
        """Return when Postgres began to answer without a gap; None before the first answer."""
        return self._since

    def has_lasted(self, seconds: float) -> bool:
        """Return whether Postgres has answered for ``seconds``: then every living worker has written a heartbeat."""
        if self._since is None or self._last is None:
            return False
        return self._last - self._since >= timedelta(seconds=seconds)
