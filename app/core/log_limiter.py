"""Limit repeated log lines: each reason is logged at once, and then at most once a minute."""

import logging
import time
from collections.abc import Mapping
from typing import Any, Final

_INTERVAL: Final = 60.0
# A reason may contain a text from a server, so their number is bounded.
_MAX_REASONS: Final = 1_000


class LogLimiter:
    """Limits the log lines of one module."""

    def __init__(self, logger: logging.Logger, interval: float = _INTERVAL) -> None:
        """``interval`` is the time in seconds between two equal lines."""
        self._logger = logger
        self._interval = interval
        self._logged_at: dict[str, float] = {}

    def log(self, level: int, message: str, *, reason: str, extra: Mapping[str, Any] | None = None) -> bool:
        """Log the line, unless it was logged for the same reason within the interval; return whether it was logged."""
        key, now = f"{message}\n{reason}", time.monotonic()
        at = self._logged_at.get(key)
        if at is not None and now - at < self._interval:
            return False
        if len(self._logged_at) >= _MAX_REASONS:
            # Forgetting all is simpler than forgetting the oldest, and costs at most one more line for each reason.
            self._logged_at.clear()
        self._logged_at[key] = now
        self._logger.log(level, message, extra={**(extra or {}), "reason": reason})
        return True

    def warn(self, message: str, *, reason: str) -> bool:
        """Log a warning, as ``log`` does."""
        return self.log(logging.WARNING, message, reason=reason)
