"""Count the failed attempts that ends have written down, in the errors that the tenants see."""

from typing import Final

from app.dispatch.leadership import Lead
from app.task_errors import store

# Failed attempts in one roll-up, so that the transaction stays short.
_MAX_ATTEMPTS: Final = 2_000
MAX_ERRORS: Final = 1_000
"""Errors that a tenant has at most. Those that were not seen for the longest time are forgotten."""

INTERVAL: Final = 1.0
"""Seconds after which, at the latest, a failure counts in its error. A look at an empty table is one probe."""


class ErrorCounter:
    """Counts failed attempts for the leader."""

    def __init__(self, lead: Lead) -> None:
        """``lead`` has the connection, and the token that proves leadership in every write."""
        self._connection, self._fence = lead.connection, lead.token
        self.is_behind = False
        """True if the last batch was full. Then there may be more, and the next batch follows at once."""

    async def tick(self) -> int:
        """Count one batch of failed attempts; return how many."""
        counted = await store.roll_up_any_tenant(self._connection, _MAX_ATTEMPTS, MAX_ERRORS, self._fence)
        self.is_behind = counted == _MAX_ATTEMPTS
        return counted
