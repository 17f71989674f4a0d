"""How long tasks waited from their submit until they started, by the database's clock."""

import time
from datetime import datetime

from scripts.benchmark import answers, database
from scripts.benchmark.accounts import Account
from scripts.benchmark.errors import BenchmarkError
from scripts.benchmark.runs import Figures
from scripts.stack.stackfile import Stack

_SECONDS = 120.0
_WAITS = """
    SELECT extract(epoch FROM started_at - created_at)::float8 FROM task
    WHERE created_at >= $1 AND task = $2 AND ($3::uuid IS NULL OR tenant_id = $3)
"""
_UNFINISHED = "SELECT count(*) FROM task WHERE finished_at IS NULL"
_WAITING = "SELECT count(*) FROM backlog WHERE tenant_id = $1"


def now(stack: Stack) -> datetime:
    """Return the time by the database's clock."""
    moment: datetime = database.value(stack.database_url or "", "SELECT clock_timestamp()")
    return moment


def since(stack: Stack, moment: datetime, task: str, account: Account | None = None) -> Figures:
    """Return percentiles in ms of the waits of a type's tasks submitted since then, of one tenant or of all.

    Those that still wait are waited for; raises ``BenchmarkError`` when one has not started after two minutes.
    """
    deadline, tenant_id = time.monotonic() + _SECONDS, account and account.tenant_id
    while None in (
        seen := [row[0] for row in database.fetch(stack.database_url or "", _WAITS, moment, task, tenant_id)]
    ):
        if time.monotonic() > deadline:
            raise BenchmarkError(f"{seen.count(None)} of {len(seen)} tasks have not started after {_SECONDS:.0f} s")
        time.sleep(0.2)
    return {**answers.latencies(seen), "count": len(seen)}


def until_all_ended(stack: Stack) -> None:
    """Return when no task waits or runs; raises ``BenchmarkError`` when one still does after two minutes."""
    deadline = time.monotonic() + _SECONDS
    while left := database.value(stack.database_url or "", _UNFINISHED):
        if time.monotonic() > deadline:
            raise BenchmarkError(f"{left} tasks have not ended after {_SECONDS:.0f} s")
        time.sleep(0.2)


def waiting(stack: Stack, account: Account) -> int:
    """Count a tenant's tasks that wait."""
    return int(database.value(stack.database_url or "", _WAITING, account.tenant_id))
