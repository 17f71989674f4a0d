"""Handler of the call that makes up times of a schedule, in the background."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from app.http.json_response import JsonResponse
from app.identity.dependencies import acting
from app.identity.principal import Principal
from app.operations import asking
from app.operations.parts import OperationParts
from app.operations.schedule_schemas import Backfill, BackfillRequest
from app.schedules import backfill
from app.schedules.parameters import ScheduleId

_SHOWN: Final = 100


async def backfill_schedule(
    request: Request, principal: Principal, parts: OperationParts, schedule_id: ScheduleId, body: BackfillRequest
) -> Response:
    """Submit a task for each past time of a schedule that made none. It runs in the background, as an operation.

    Times that have a task are passed over, so the same call again does nothing twice. `overlap`, `max_fires` and a
    pause do not count. The tasks count against the quotas: while one leaves no room, the operation waits.
    """
    tenant_id = principal.tenant_id
    async with parts.accounts.transaction(tenant_id) as connection:
        plan = await backfill.plan(connection, tenant_id, schedule_id, body.first, body.to)
    found = Backfill(operation_id=None, count=len(plan.fires), fires=list(plan.fires[:_SHOWN]))
    if body.dry_run or not plan.fires:
        return JsonResponse(found.model_dump_json())
    chosen = {"schedule_id": str(schedule_id), "from": plan.first.isoformat(), "to": plan.last.isoformat()}
    actor = acting(request, principal)
    asked = await asking.start(parts.accounts, tenant_id, actor, "schedules.backfill", chosen, None)
    headers = {"Location": f"/api/operations/{asked.operation_id}"}
    return JsonResponse(found.model_copy(update={"operation_id": asked.operation_id}).model_dump_json(), 202, headers)
