"""Decide how much time a live page leaves between two refreshes, so that many open pages cost no more than a few."""

from collections import Counter
from typing import Final
from uuid import UUID

SHORTEST: Final = 0.4
"""Seconds. What a person sees as at once, and what few open pages get."""
_SECONDS_FOR_EACH: Final = 0.2
# A page that has not asked for so long is closed or hidden. It is longer than every gap that this process can need.
_FORGET_AFTER: Final = 90.0
_LONGEST: Final = 60.0


class Pace:
    """The sessions that have refreshed a page of this process lately, the longest ago first, and whose they are."""

    def __init__(self) -> None:
        self._seen: dict[UUID, tuple[UUID | None, float]] = {}
        self._sessions: Counter[UUID | None] = Counter()

    def note(self, tenant_id: UUID | None, session_id: UUID, now: float) -> float:
        """Note a refresh at a time in seconds. Return the tenant's ``gap``. None stands for the operator."""
        # Taken out and put in again, so that the dictionary stays in the order of the latest refreshes.
        if session_id in self._seen:
            self._forget(session_id)
        self._seen[session_id] = tenant_id, now
        self._sessions[tenant_id] += 1
        while now - self._seen[oldest := next(iter(self._seen))][1] > _FORGET_AFTER:
            self._forget(oldest)
        return self.gap(tenant_id)

    def gap(self, tenant_id: UUID | None) -> float:
        """Return the seconds that a page of a tenant shall leave between two refreshes.

        All pages together refresh five to ten times in a second, however many are open. The pages of a tenant wait for
        as many of each other tenant as it has itself, so that the many pages of one do not slow those of another.
        """
        own = self._sessions[tenant_id]
        gap = sum(min(sessions, own) for sessions in self._sessions.values()) * _SECONDS_FOR_EACH
        return min(max(SHORTEST, gap), _LONGEST)

    def _forget(self, session_id: UUID) -> None:
        tenant_id, _ = self._seen.pop(session_id)
        self._sessions[tenant_id] -= 1
        if not self._sessions[tenant_id]:
            # A count of 0 would be one more tenant that shares.
            del self._sessions[tenant_id]
