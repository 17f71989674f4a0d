"""The first page: does the service do well, why not, what to do, and what operators did last."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from starlette.responses import Response

from app.admin import delivery_store
from app.admin import store as admin_store
from app.audit import log as audit
from app.operator import health
from app.operator.health import ServiceFacts
from app.operator.pool_states import pools
from app.operator.visit import OperatorVisit
from app.processes import store as processes
from app.processes.heartbeat import STALE
from app.webhooks.endpoints import store as endpoints

_ACTS: Final = 12
_BUSIEST: Final = 8
# Tenants of whose tasks the wait is looked up: those with the most that wait.
_ASKED: Final = 20


async def show(visit: OperatorVisit) -> Response:
    """Show the verdict with its causes, the numbers of the service, its busiest tenants, and the latest acts."""
    async with visit.parts.database.transaction() as connection:
        queues = await admin_store.queues_any_tenant(connection)
        workers = await processes.workers_any_tenant(connection)
        others = await processes.list_any_tenant(connection)
        failing = await endpoints.count_failing_any_tenant(connection)
        # A tenant that its limit or a pause holds back says nothing about the workers.
        held_back_by_nothing = [row["tenant_id"] for row in _by_waiting(queues) if _may_run(row)][:_ASKED]
        due = await admin_store.oldest_due_any_tenant(connection, held_back_by_nothing)
        lag = await delivery_store.lag_any_tenant(connection)
        acts = await audit.acts_of_operators_any_tenant(connection, _ACTS)
    longest_wait = max((datetime.now(UTC) - at).total_seconds() for at in due.values()) if due else None
    facts = ServiceFacts(
        reasons=visit.parts.readiness.state().reasons,
        running=_sum(queues, "running"),
        waiting=_sum(queues, "waiting"),
        wait_for_workers=longest_wait,
        lost_workers=sum(row["age"] >= STALE for row in workers),
        paused=_sum(queues, "queue_paused"),
        failing_endpoints=failing,
        has_webhooks=any(row["kind"] == "webhooks" and row["age"] < STALE for row in others),
        delivery_lag=lag,
    )
    busiest = sorted(queues, key=lambda row: (-row["running"] - row["waiting"], row["slug"]))[:_BUSIEST]
    return visit.page(
        "overview.html",
        verdict=health.judge(facts),
        facts=facts,
        tenants=len(queues),
        suspended=sum(row["status"] == "suspended" for row in queues),
        workers=sum(row["age"] < STALE for row in workers),
        pools=pools(workers),
        busiest=[row for row in busiest if row["running"] or row["waiting"]],
        acts=acts,
    )


def _by_waiting(queues: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(queues, key=lambda row: -row["waiting"])


def _may_run(row: dict[str, Any]) -> bool:
    """Return whether tasks of a tenant wait that neither its limit nor a pause holds back."""
    is_paused = row["queue_paused"] or row["queue_paused_by_tenant"] or row["status"] != "active"
    return bool(row["waiting"]) and not is_paused and row["running"] < row["running_limit"]


def _sum(rows: Sequence[dict[str, Any]], name: str) -> int:
    return sum(int(row[name]) for row in rows)
