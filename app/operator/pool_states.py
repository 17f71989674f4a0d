"""Add up the workers of each pool (pure)."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from app.processes.heartbeat import STALE


class PoolState(NamedTuple):
    """The living workers of a pool together."""

    workers: int = 0
    slots: int = 0
    running: int = 0


def pools(rows: Sequence[Any]) -> dict[str, PoolState]:
    """Return the living workers by pool. One that takes nothing more, because it is stopping, has no slots."""
    found: dict[str, PoolState] = defaultdict(PoolState)
    for row in rows:
        # The dispatcher takes the attempts of the others away, so their slots do not count.
        if row["age"] < STALE:
            before = found[row["pool"]]
            found[row["pool"]] = PoolState(
                before.workers + 1, before.slots + row["slots"], before.running + row["running"]
            )
    return found
