"""The API calls for limits and usage."""

from datetime import date
from typing import Annotated, Final, cast

from fastapi import APIRouter, Query, Request

from app.core.errors import InvalidRequest
from app.http.problem import responses
from app.identity.dependencies import CallerRoute, UsageReader
from app.quotas import usage
from app.quotas.parts import QuotaParts
from app.quotas.schemas import LimitList, UsageReport
from app.tenants import plans
from app.tenants.plans import Plan

router: Final = APIRouter(prefix="/api", route_class=CallerRoute, tags=["limits"])


@router.get("/limits", operation_id="list_limits", summary="List your limits", response_model=LimitList)
async def list_limits(request: Request, principal: UsageReader) -> LimitList:
    """List every limit, with its source (plan or override) and its current use."""
    return await usage.limits(
        QuotaParts.of(request).reader, principal.tenant_id, cast("Plan", principal.plan), principal.overrides
    )


@router.get(
    "/usage",
    operation_id="get_usage",
    summary="Get your usage",
    response_model=UsageReport,
    responses=responses(InvalidRequest),
)
async def get_usage(
    request: Request,
    principal: UsageReader,
    first: Annotated[date | None, Query(alias="from", description="Default: the first of this month (UTC).")] = None,
    last: Annotated[date | None, Query(alias="to", description="The last day of the items. Default: today.")] = None,
) -> UsageReport:
    """Return the tasks of this day and month by task type, and those of each requested day."""
    contract = plans.limits_of(principal)
    return await usage.report(QuotaParts.of(request).reader, principal.tenant_id, contract, first, last)
