"""The usage of the tenant, and its limits with their sources."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final, cast

from starlette.responses import Response

from app.console import charts
from app.console.limit_meanings import MEANINGS
from app.console.visit import Visit
from app.quotas import usage
from app.tenants.plans import Plan

_DAYS: Final = 30


async def show(visit: Visit) -> Response:
    """Show the usage of this day and month by task type, the last 30 days, and every limit."""
    principal, now = visit.principal, datetime.now(UTC)
    first = (now - timedelta(days=_DAYS - 1)).date()
    limits, report = await asyncio.gather(
        usage.limits(visit.parts.reader, visit.tenant_id, cast("Plan", principal.plan), principal.overrides),
        usage.report(visit.parts.reader, visit.tenant_id, visit.limits, first, now.date()),
    )
    return visit.page(
        "usage.html",
        limits=limits,
        meanings=MEANINGS,
        report=report,
        days=charts.days(report.items, now.date(), _DAYS),
    )
