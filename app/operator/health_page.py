"""The first page: does the service do well, why not, what to do, and what operators did last."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from starlette.responses import Response

from app.admin import delivery_store, list_store
from app.admin import store as admin_store
from app.audit import log as audit
from app.console import charts
from app.operator import health
from app.operator.health import ServiceFacts
from app.operator.pool_states import pools
from app.operator.visit import OperatorVisit
from app.processes import store as processes
from app.processes.heartbeat import STALE
from app.stats.schemas import StatsPoint
from app.webhooks.endpoints import store as endpoints

_ACTS: Final = 12
_BUSIEST: Final = 8
# Tenants of whose tasks the wait is looked up: those with the most that wait.
_ASKED: Final = 20


async def show(visit: OperatorVisit) -> Response:
    """Show the verdict with its causes, the numbers of the service, its busiest tenants, and the latest acts."""
    async with visit.parts.database.transaction() as connection:
        totals = await list_store.totals_any_tenant(connection, _BUSIEST, _ASKED)
        busiest = await list_store.named_any_tenant(connection, totals["busiest"])
        workers = await processes.workers_any_tenant(connection)
        others = await processes.list_any_tenant(connection)
        failing = await endpoints.count_failing_any_tenant(connection)
        due = await admin_store.oldest_due_any_tenant(connection, totals["held_back_by_nothing"])
        lag = await delivery_store.lag_any_tenant(connection)
        acts = await audit.acts_of_operators_any_tenant(connection, _ACTS)
    hours = await visit.parts.hours.read()
    longest_wait = max((datetime.now(UTC) - at).total_seconds() for at in due.values()) if due else None
    facts = ServiceFacts(
        reasons=visit.parts.readiness.state().reasons,
        running=totals["running"],
        waiting=totals["waiting"],
        wait_for_workers=longest_wait,
        lost_workers=sum(row["age"] >= STALE for row in workers),
        paused=totals["paused"],
        failing_endpoints=failing,
        has_webhooks=any(row["kind"] == "webhooks" and row["age"] < STALE for row in others),
        delivery_lag=lag,
    )
    return visit.page(
        "overview.html",
        verdict=health.judge(facts),
        facts=facts,
        tenants=totals["tenants"],
        suspended=totals["suspended"],
        workers=sum(row["age"] < STALE for row in workers),
        pools=pools(workers),
        hours=charts.columns(hours),
        **_of_a_day(hours),
        busiest=sorted(busiest, key=lambda row: (-row["running"] - row["waiting"], row["slug"])),
        acts=acts,
    )


def _of_a_day(hours: Sequence[StatsPoint]) -> dict[str, Any]:
    """Return what was submitted and ended in these hours, and the part that failed of what ran to its end."""
    failed, succeeded = sum(hour.failed for hour in hours), sum(hour.succeeded for hour in hours)
    return {
        "submitted": sum(hour.submitted for hour in hours),
        "ended": succeeded + failed + sum(hour.revoked for hour in hours),
        "failed": failed,
        "error_rate": failed / (succeeded + failed) if succeeded + failed else None,
    }
