"""The queue between a child's two threads: the event loop puts claimed attempts in, the main thread takes them out."""

import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from app.tasks.run.attempts import Claim


class QueuedClaim(NamedTuple):
    """A claim and when it was made, by ``time.monotonic``."""

    claim: Claim
    claimed_at: float


class ClaimQueue:
    """Claimed attempts whose code has not begun, in the order of the claims. Any thread may call any method."""

    def __init__(self) -> None:
        """The queue is empty."""
        # The lock makes each method atomic. Without it, counting would fail if the other thread removed a claim.
        self._lock = threading.Lock()
        self._claims: deque[QueuedClaim] = deque()
        self._taken = 0

    def __len__(self) -> int:
        """Return how many attempts wait."""
        return len(self._claims)

    def put(self, claims: Sequence[Claim]) -> None:
        """Append claims that were made just now."""
        now = time.monotonic()
        with self._lock:
            self._claims.extend(QueuedClaim(claim, now) for claim in claims)

    def get(self) -> QueuedClaim | None:
        """Remove and return the first claim; None if the queue is empty."""
        with self._lock:
            if not self._claims:
                return None
            self._taken += 1
            return self._claims.popleft()

    def clear(self) -> list[Claim]:
        """Remove and return all claims."""
        with self._lock:
            claims = [queued.claim for queued in self._claims]
            self._claims.clear()
        return claims

    @property
    def taken(self) -> int:
        """Return how many claims ``get`` has returned. While it does not change, the main thread runs one attempt."""
        return self._taken

    def count_by_tenant(self) -> Counter[UUID]:
        """Return how many attempts of each tenant wait."""
        with self._lock:
            return Counter(queued.claim.tenant_id for queued in self._claims)
