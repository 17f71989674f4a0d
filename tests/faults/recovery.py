"""How long a fault was felt: from it to the last affected task's next claim, by the database's clock and rows."""

import time
from typing import Final

from tests.faults.owner import Owner
from tests.faults.waiting import until

_UNFINISHED: Final = """
SELECT count(*) FROM attempt WHERE finished_at IS NULL AND started_at < to_timestamp($1)
"""
# Attempts that ran at the fault and were taken away since; when each task went on, or ended without another attempt.
_TAKEN_AWAY: Final = """
SELECT a.task_id, extract(epoch FROM coalesce(n.started_at, k.finished_at)) - $1 AS seconds
FROM attempt a
JOIN task k ON k.tenant_id = a.tenant_id AND k.id = a.task_id
LEFT JOIN attempt n ON n.tenant_id = a.tenant_id AND n.task_id = a.task_id AND n.attempt = a.attempt + 1
WHERE a.started_at <= to_timestamp($1) AND a.finished_at > to_timestamp($1)
  AND (a.status IN ('LOST', 'RETURNED') OR a.error->>'type' = 'TaskCrashed')
"""
# Tenants that had due work at the fault: how long each waited for its next claim.
_STARVED: Final = """
SELECT w.tenant_id, (
    SELECT extract(epoch FROM min(a.started_at)) - $2 FROM attempt a
    WHERE a.tenant_id = w.tenant_id AND a.started_at > to_timestamp($2)) AS seconds
FROM (
    SELECT DISTINCT k.tenant_id FROM task k
    WHERE k.created_at < to_timestamp($1) AND k.scheduled_at IS NULL
      AND (k.started_at IS NULL OR k.started_at > to_timestamp($1)) AND k.status <> 'REVOKED'
) AS w
"""
_FALLEN_DUE: Final = """
SELECT extract(epoch FROM coalesce(k.started_at, k.finished_at)) - $1 AS seconds FROM task k
WHERE k.scheduled_at BETWEEN to_timestamp($1) AND to_timestamp($2) AND k.expires_at IS NULL
  AND k.status <> 'REVOKED'
"""
# A part's name is what its connections call themselves, and the last word of the lease's holder.
_LEADER: Final = "SELECT substring(holder FROM '[^ ]+$') FROM dispatcher_lease WHERE expires_at > now()"
FIRST_CLAIM: Final = "SELECT extract(epoch FROM min(started_at)) - $1 FROM attempt WHERE started_at > to_timestamp($1)"


def now(owner: Owner) -> float:
    """Return the database's time."""
    return float(owner.value("SELECT extract(epoch FROM clock_timestamp())"))


def taken_away(owner: Owner, at: float, seconds: float = 60) -> tuple[int, float]:
    """Wait until what ran at the fault has ended or gone on; return how many were taken away, and the longest."""
    until(lambda: not owner.value(_UNFINISHED, at), "the end of what ran at the fault", seconds, 0.1)
    until(
        lambda: all(row["seconds"] is not None for row in owner.rows(_TAKEN_AWAY, at)), "the next claims", seconds, 0.1
    )
    waits = [float(row["seconds"]) for row in owner.rows(_TAKEN_AWAY, at)]
    return len(waits), max(waits, default=0.0)


def starved(owner: Owner, at: float, since: float | None = None, seconds: float = 90) -> tuple[int, float]:
    """Wait until every tenant with due work at the fault has had a claim (after ``since``, by default the fault)."""
    args = (at, since or at)
    until(
        lambda: all(row["seconds"] is not None for row in owner.rows(_STARVED, *args)), "a claim of each", seconds, 0.1
    )
    waits = [float(row["seconds"]) for row in owner.rows(_STARVED, *args)]
    return len(waits), max(waits, default=0.0)


def fallen_due(owner: Owner, at: float, until_then: float, seconds: float = 60) -> tuple[int, float]:
    """Wait for the start of what fell due in a gap; return how many did, and when the last of them started."""
    args = (at, until_then)
    until(
        lambda: all(row["seconds"] is not None for row in owner.rows(_FALLEN_DUE, *args)), "what fell due", seconds, 0.1
    )
    waits = [float(row["seconds"]) for row in owner.rows(_FALLEN_DUE, *args)]
    return len(waits), max(waits, default=0.0)


def leader(owner: Owner) -> str | None:
    """Name the dispatcher that leads, None when none does."""
    name = owner.value(_LEADER)
    return str(name) if name else None


def wait_for_leader(owner: Owner, *but: str, seconds: float = 30) -> str:
    """Wait until a dispatcher leads, none of those named."""
    until(lambda: leader(owner) not in {None, *but}, "a leader", seconds, 0.05)
    return leader(owner) or ""


def clock() -> float:
    """Return the machine's time, which is the database's."""
    return time.time()
