"""How long Postgres has been within reach (pure): who could not look for a while must not judge by what he sees now."""

from datetime import datetime, timedelta
from typing import Final

_GAP: Final = timedelta(seconds=5)


class Contact:
    """Every answer of Postgres is noted by its own clock; a longer silence begins anew."""

    def __init__(self) -> None:
        """Begin without any."""
        self._since: datetime | None = None
        self._last: datetime | None = None

    def answered(self, now: datetime) -> None:
        """Note an answer, at the database's ``now()``."""
        if self._last is None or self._since is None or now - self._last > _GAP:
            self._since = now
        self._last = now

    def has_lasted(self, seconds: float) -> bool:
        """Tell whether there was no silence for so long: then every living worker has been heard."""
        if self._since is None or self._last is None:
            return False
        return self._last - self._since >= timedelta(seconds=seconds)
