"""The gauges of the whole service: the operator's process looks at Postgres every few seconds, and remembers."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Collection, Iterable
from math import inf
from typing import Any, Final

import asyncpg

from app.broker.ring import RINGS
from app.core.errors import Unavailable
from app.core.log_limiter import LogLimiter
from app.db import Database
from app.metrics.gauges import Value
from app.monitoring import service_store
from app.monitoring.service_store import Seen
from app.processes.heartbeat import STALE

_log = logging.getLogger(__name__)
_log_limiter = LogLimiter(_log)

_INTERVAL: Final = 5.0
_KINDS: Final = ("dispatcher", "webhooks", "operator")


class ServiceMetrics:
    """Looks at the service, and tells what it has seen."""

    def __init__(self, database: Database, tenants: Collection[str]) -> None:
        """``database`` logs in as tq_admin. ``tenants`` are the ids of those that are shown by name."""
        self._database, self._tenants = database, frozenset(tenants)
        self._seen: Seen | None = None
        self._at = -inf

    async def run(self) -> None:
        """Look every 5 s until cancelled."""
        while True:
            try:
                async with self._database.transaction() as connection:
                    self._seen = await service_store.look_any_tenant(connection)
                self._at = time.monotonic()
            except (Unavailable, asyncpg.PostgresError) as error:
                reason = type(error.__cause__ or error).__name__
                _log_limiter.warn("metrics of the service are not read", reason=reason)
            await asyncio.sleep(_INTERVAL)

    def values(self) -> Iterable[Value]:
        """Return the values of the last look; of one that is older than a minute, only its age."""
        if (seen := self._seen) is None:
            return
        age = time.monotonic() - self._at
        yield Value("taskqueue_service_look_age_seconds", age)
        # Old values would look as if all was well.
        if age < 60:  # noqa: PLR2004 said above
            yield from _queues(seen)
            yield from _processes(seen)
            yield from self._named_tenants(seen)
            yield from _rest(seen)

    def _named_tenants(self, seen: Seen) -> Iterable[Value]:
        for row in seen.tenants:
            if (tenant := str(row["tenant_id"])) in self._tenants:
                for state in ("waiting", "running"):
                    yield Value("taskqueue_tenant_tasks", row[state], (tenant, state))


def _queues(seen: Seen) -> Iterable[Value]:
    for pool in RINGS:
        living = [row for row in seen.workers if row["pool"] == pool and not _is_lost(row)]
        yield Value("taskqueue_tasks_waiting", seen.waiting[pool], (pool,))
        yield Value("taskqueue_oldest_waiting_seconds", seen.oldest[pool], (pool,))
        yield Value("taskqueue_slots", sum(row["slots"] for row in living), (pool,))
        yield Value("taskqueue_tasks_running", sum(row["running"] for row in living), (pool,))


def _processes(seen: Seen) -> Iterable[Value]:
    workers = Counter((row["pool"], _state(row)) for row in seen.workers)
    for pool in RINGS:
        for state in ("alive", "lost"):
            yield Value("taskqueue_workers", workers[pool, state], (pool, state))
    others = Counter((row["kind"], _state(row)) for row in seen.processes)
    for kind in _KINDS:
        for state in ("alive", "lost"):
            yield Value("taskqueue_processes", others[kind, state], (kind, state))
        if ages := [row["age"] for row in seen.processes if row["kind"] == kind and not _is_lost(row)]:
            yield Value("taskqueue_heartbeat_age_seconds", max(ages), (kind,))
    yield Value("taskqueue_dispatcher_leads", seen.has_leader)
    leaders = [row for row in seen.processes if row["details"].get("leads") and not _is_lost(row)]
    if leaders:
        lag = min(row["age"] + row["details"].get("round_age", 0.0) for row in leaders)
        yield Value("taskqueue_dispatcher_lag_seconds", lag)


def _is_lost(row: Any) -> bool:
    return bool(row["age"] >= STALE)


def _state(row: Any) -> str:
    return "lost" if _is_lost(row) else "alive"


def _rest(seen: Seen) -> Iterable[Value]:
    yield Value("taskqueue_deliveries_late_seconds", seen.deliveries_late)
    yield Value("taskqueue_endpoints_failing", seen.endpoints_failing)
    for table, missing in seen.partitions_missing.items():
        yield Value("taskqueue_partitions_missing", missing, (table,))
    yield Value("taskqueue_postgres_connections", seen.connections)
    yield Value("taskqueue_postgres_connections_max", seen.connections_max)
