"""Describe each limit of a tenant for the operator: what it is, what is used, and where it comes from (pure)."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import NamedTuple

from app.console.limit_meanings import MEANINGS
from app.tenants import plans, tenancy
from app.tenants.store import TenantRecord


class LimitRow(NamedTuple):
    """One limit."""

    name: str
    meaning: str
    used: int | None
    """None if the use of this limit is not counted."""
    limit: int
    of_plan: int
    override: int | None


def limit_rows(tenant: TenantRecord, used: Mapping[str, int]) -> list[LimitRow]:
    """Return every limit of a tenant, in the order of the plans."""
    of_plan = asdict(plans.PLANS[tenant.plan])
    return [
        LimitRow(name, MEANINGS.get(name, name), used.get(name), limit, of_plan[name], tenant.limits.get(name))
        for name, limit in asdict(tenancy.limits_of(tenant)).items()
    ]
