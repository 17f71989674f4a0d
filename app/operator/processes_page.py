"""The other processes: who leads, when each ended its last round, and what is late."""

from typing import Any

from starlette.responses import Response

from app.admin import delivery_store
from app.admin import store as admin_store
from app.core import schema
from app.operator.visit import OperatorVisit
from app.processes import store
from app.processes.heartbeat import STALE


async def show(visit: OperatorVisit) -> Response:
    """Show the processes that write heartbeats, the lease of the leader, and the database."""
    async with visit.parts.database.transaction() as connection:
        rows = await store.list_any_tenant(connection)
        lease = await store.lease_any_tenant(connection)
        lag = await delivery_store.lag_any_tenant(connection)
        status = await admin_store.status_any_tenant(connection)
    return visit.page(
        "processes.html",
        processes=[_described(row) for row in rows],
        lease=lease,
        lag=lag,
        database=status,
        schema_expected=schema.EXPECTED,
        reasons=visit.parts.readiness.state().reasons,
    )


def _described(row: Any) -> dict[str, Any]:
    """Return a process with the seconds since its last round, and the times of the rounds before it."""
    details = row["details"]
    return {
        **{name: row[name] for name in ("kind", "hostname", "pid", "started_at", "heartbeat_at")},
        "is_alive": row["age"] < STALE,
        "leads": bool(details.get("leads")),
        "round_age": row["age"] + details.get("round_age", 0.0),
        "rounds": details.get("recent_rounds", []),
    }
