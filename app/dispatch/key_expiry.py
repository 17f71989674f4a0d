"""Tell tenants of API keys that expire soon, by the event ``key.expiring``."""

from datetime import timedelta
from typing import Final

from app.dispatch import key_store
from app.dispatch.leadership import Lead

AHEAD: Final = timedelta(days=7)
"""The time before its end in which a key expires soon."""
# Keys in one transaction, so that it locks the slots of few tenants and stays short.
_MAX_KEYS: Final = 100

INTERVAL: Final = 60.0
"""Seconds after which, at the latest, an API key that expires soon is an event. A look is one probe of an index."""


class KeyExpiry:
    """Looks for keys that expire soon, for the leader."""

    def __init__(self, lead: Lead) -> None:
        """``lead`` has the connection, and the token that proves leadership in every write."""
        self._connection, self._fence = lead.connection, lead.token
        self.is_behind = False
        """True if the last batch was full. Then there may be more, and the next batch follows at once."""

    async def tick(self) -> int:
        """Write the events of one batch of keys; return how many."""
        told = await key_store.tell_expiring_any_tenant(self._connection, AHEAD, _MAX_KEYS, self._fence)
        self.is_behind = told == _MAX_KEYS
        return told
