"""SQL of the operator's lists, which are read in pages: no list reads every tenant."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from app.broker.ring import RINGS
from app.db import Connection

MAX_READ: Final = 10_000
"""The most tenants that one page with a search reads, and the most that a count counts."""
MAX_IN_USE: Final = 500
"""The most queues in use that are found."""

# LATERAL with LIMIT 1: the two rows of each tenant are found by their keys, whatever the statistics say.
_ROW: Final = """
SELECT t.id AS tenant_id, t.slug, t.name, t.plan, t.status, t.queue_paused, t.queue_paused_by_tenant, t.created_at,
    coalesce(a.admitted, 0) + coalesce(s.returned, 0) - coalesce(s.departed, 0) AS waiting,
    coalesce(s.running, 0) AS running, coalesce(s.running_limit, 0) AS running_limit
"""
_LEDGER: Final = """
LEFT JOIN LATERAL (SELECT * FROM tenant_slots WHERE tenant_id = t.id LIMIT 1) AS s ON true
LEFT JOIN LATERAL (SELECT * FROM tenant_admitted WHERE tenant_id = t.id LIMIT 1) AS a ON true
"""
# The search stands outside of the inner LIMIT, so that it bounds the tenants that are read, not those that match.
_PAGE: Final = f"""{_ROW} FROM (
    SELECT * FROM (
        SELECT * FROM tenant WHERE slug > $1 AND status <> 'deleted' ORDER BY slug LIMIT {MAX_READ}
    ) AS read
    WHERE ($2 = '' OR strpos(slug, $2) > 0 OR strpos(lower(name), $2) > 0 OR strpos(id::text, $2) > 0)
        AND ($3 = '' OR status = $3)
    ORDER BY slug LIMIT $4
) AS t {_LEDGER} ORDER BY t.slug
"""  # noqa: S608 constants
_LAST_READ: Final = f"""
SELECT slug FROM tenant WHERE slug > $1 AND status <> 'deleted' ORDER BY slug OFFSET {MAX_READ - 1} LIMIT 1
"""  # noqa: S608 constants
_NAMED: Final = f"""{_ROW} FROM unnest($1::uuid[]) AS wanted (id)
CROSS JOIN LATERAL (SELECT * FROM tenant WHERE id = wanted.id AND status <> 'deleted' LIMIT 1) AS t {_LEDGER}
"""  # noqa: S608 constants
# due: from one tenant of the backlog to the next, by the index that begins with pool and tenant. What runs is found
# by the workers that run it, and a paused queue by an index of its own.
_IN_USE: Final = """
WITH RECURSIVE due (pool, tenant_id, number) AS (
    SELECT pool.name, (SELECT b.tenant_id FROM backlog b WHERE b.pool = pool.name ORDER BY b.tenant_id LIMIT 1), 1
    FROM unnest($1::text[]) AS pool (name)
    UNION ALL
    SELECT d.pool, (
        SELECT b.tenant_id FROM backlog b WHERE b.pool = d.pool AND b.tenant_id > d.tenant_id
        ORDER BY b.tenant_id LIMIT 1
    ), d.number + 1
    FROM due d WHERE d.tenant_id IS NOT NULL AND d.number < $2
)
SELECT tenant_id FROM due WHERE tenant_id IS NOT NULL
UNION
SELECT running.tenant_id FROM worker w CROSS JOIN LATERAL (
    SELECT tenant_id FROM attempt WHERE worker_id = w.id AND finished_at IS NULL LIMIT $2
) AS running
UNION
(SELECT id FROM tenant WHERE queue_paused OR queue_paused_by_tenant LIMIT $2)
LIMIT $2
"""
_COUNT: Final = f"""
SELECT count(*) FROM (SELECT FROM tenant WHERE status <> 'deleted' LIMIT {MAX_READ + 1}) AS counted
"""  # noqa: S608 constants
# One pass over the ledger: what is summed up has no index.
_TOTALS: Final = """
WITH queue AS MATERIALIZED (
    SELECT t.id, t.slug, t.status, t.queue_paused,
        coalesce(a.admitted, 0) + coalesce(s.returned, 0) - coalesce(s.departed, 0) AS waiting,
        coalesce(s.running, 0) AS running,
        NOT t.queue_paused AND NOT t.queue_paused_by_tenant AND t.status = 'active'
            AND coalesce(s.running, 0) < coalesce(s.running_limit, 0) AS may_run
    FROM tenant t LEFT JOIN tenant_slots s ON s.tenant_id = t.id LEFT JOIN tenant_admitted a ON a.tenant_id = t.id
    WHERE t.status <> 'deleted'
)
SELECT count(*) AS tenants, count(*) FILTER (WHERE status = 'suspended') AS suspended,
    count(*) FILTER (WHERE queue_paused) AS paused, coalesce(sum(running), 0)::bigint AS running,
    coalesce(sum(waiting), 0)::bigint AS waiting,
    ARRAY(SELECT id FROM queue WHERE running + waiting > 0 ORDER BY running + waiting DESC, slug LIMIT $1) AS busiest,
    ARRAY(SELECT id FROM queue WHERE waiting > 0 AND may_run ORDER BY waiting DESC LIMIT $2) AS held_back_by_nothing
FROM queue
"""


class TenantPage(NamedTuple):
    """Some tenants by slug, and the slug after which the list continues; None at its end."""

    rows: Sequence[dict[str, Any]]
    next_after: str | None


async def tenants_any_tenant(connection: Connection, *, after: str, search: str, status: str, limit: int) -> TenantPage:
    """Return tenants whose slug comes after ``after``, with what waits and runs of each.

    ``search`` is a part of the slug, the name or the id, in lower case. A page of a search that finds little may be
    short, or empty, and still have a next one.
    """
    found = [dict(row) for row in await connection.fetch(_PAGE, after, search, status, limit + 1)]
    if len(found) > limit:
        return TenantPage(found[:limit], found[limit - 1]["slug"])
    return TenantPage(found, await connection.fetchval(_LAST_READ, after) if search or status else None)


async def in_use_any_tenant(connection: Connection) -> list[dict[str, Any]]:
    """Return the queues in which something waits, runs or is paused, at most ``MAX_IN_USE`` + 1 of them."""
    rows = await connection.fetch(_IN_USE, list(RINGS), MAX_IN_USE + 1)
    return await named_any_tenant(connection, [row["tenant_id"] for row in rows])


async def named_any_tenant(connection: Connection, tenant_ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """Return what waits and runs of these tenants."""
    return [dict(row) for row in await connection.fetch(_NAMED, list(tenant_ids))]


async def count_any_tenant(connection: Connection) -> int:
    """Return how many tenants there are; ``MAX_READ`` + 1 stands for more."""
    counted: int = await connection.fetchval(_COUNT)
    return counted


async def totals_any_tenant(connection: Connection, busiest: int, asked: int) -> dict[str, Any]:
    """Return what waits and runs of all tenants.

    ``busiest`` are the ids of so many tenants with the most tasks, ``held_back_by_nothing`` of up to ``asked`` with the
    most waiting tasks that neither a limit nor a pause holds back.
    """
    row = await connection.fetchrow(_TOTALS, busiest, asked)
    assert row is not None  # noqa: S101 an aggregate has one row
    return dict(row)
