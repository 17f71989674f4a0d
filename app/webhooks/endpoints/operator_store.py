"""SQL of the operator's list of endpoints, which is read in pages by tenant and id."""

from typing import Any, Final, NamedTuple
from uuid import UUID

from app.core import ids
from app.db import Connection

MAX_COUNTED: Final = 10_000

# The text of the index endpoint_unwell.
_UNWELL: Final = "(NOT enabled OR failing_since IS NOT NULL)"


def _page(condition: str) -> str:
    return f"""
SELECT t.slug, e.* FROM (
    SELECT tenant_id, id AS endpoint_id, url, enabled, disabled_by, disabled_at, failing_since FROM endpoint
    WHERE (tenant_id, id) > ($1::uuid, $2::uuid) AND tenant_id <= $3::uuid AND {condition}
    ORDER BY tenant_id, id LIMIT $4
) AS e CROSS JOIN LATERAL (SELECT slug FROM tenant WHERE id = e.tenant_id LIMIT 1) AS t
ORDER BY e.tenant_id, e.endpoint_id
"""  # noqa: S608 constants


_PAGE: Final = _page("true")
_PAGE_UNWELL: Final = _page(_UNWELL)


def _counted(condition: str) -> str:
    return f"""(SELECT count(*) FROM (
        SELECT FROM endpoint WHERE tenant_id >= $1::uuid AND tenant_id <= $2::uuid AND {condition}
        LIMIT {MAX_COUNTED + 1}
    ) AS counted)"""  # noqa: S608 constants


_COUNT: Final = f"SELECT {_counted(_UNWELL)} AS unwell, {_counted('true')} AS total"


class EndpointPlace(NamedTuple):
    """The endpoint after which a page begins."""

    tenant_id: UUID
    endpoint_id: UUID

    def __str__(self) -> str:
        """Return the place as ``TenantSpan.place`` reads it."""
        return f"{self.tenant_id}.{self.endpoint_id}"


class TenantSpan(NamedTuple):
    """The first and the last tenant whose endpoints are listed."""

    first: UUID = ids.FIRST
    last: UUID = ids.LAST

    def place(self, text: str) -> EndpointPlace:
        """Return the place that a text says, or the beginning of the list."""
        tenant, _, endpoint = text.partition(".")
        tenant_id, endpoint_id = ids.read(tenant), ids.read(endpoint)
        if tenant_id is None or endpoint_id is None or not self.first <= tenant_id <= self.last:
            return EndpointPlace(self.first, ids.FIRST)
        return EndpointPlace(tenant_id, endpoint_id)


async def span_any_tenant(connection: Connection, slug: str) -> TenantSpan:
    """Return the span of the tenant with a slug; without a slug, that of all; an empty one if nobody has it."""
    if not slug:
        return TenantSpan()
    tenant_id = await connection.fetchval("SELECT id FROM tenant WHERE slug = $1 AND status <> 'deleted'", slug)
    # No tenant has the last id.
    return TenantSpan(tenant_id or ids.LAST, tenant_id or ids.LAST)


async def page_any_tenant(
    connection: Connection, after: EndpointPlace, span: TenantSpan, *, is_unwell: bool, limit: int
) -> list[dict[str, Any]]:
    """Return endpoints after a place. ``is_unwell`` asks for those that fail or are disabled."""
    rows = await connection.fetch(_PAGE_UNWELL if is_unwell else _PAGE, *after, span.last, limit)
    return [dict(row) for row in rows]


async def count_any_tenant(connection: Connection, span: TenantSpan) -> tuple[int, int]:
    """Return how many endpoints fail or are disabled, and how many there are; ``MAX_COUNTED`` + 1 stands for more."""
    row = await connection.fetchrow(_COUNT, *span)
    assert row is not None  # noqa: S101 it counts
    return row["unwell"], row["total"]
