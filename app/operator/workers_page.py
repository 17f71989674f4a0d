"""The workers: which live, what they run, and how many slots each pool has."""

from starlette.responses import Response

from app.operator.pool_states import pools
from app.operator.visit import OperatorVisit
from app.processes import store
from app.processes.heartbeat import STALE


async def show(visit: OperatorVisit) -> Response:
    """Show every worker, by pool."""
    async with visit.parts.database.statement() as connection:
        rows = await store.workers_any_tenant(connection)
    return visit.page("workers.html", workers=rows, pools=pools(rows), stale=STALE)
