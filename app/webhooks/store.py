"""SQL of deliveries, for the process that makes them of events and sends them. It sees those of all tenants."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

from app.core import ids
from app.db import Connection, call
from app.webhooks.url_key import EndpointKey

if TYPE_CHECKING:
    import asyncpg

START: Final[EndpointKey] = (UUID(int=0), "")
"""Before the first endpoint."""


@dataclass(frozen=True, slots=True)
class FannedOut:
    """The deliveries that were made of one tenant's events."""

    tenant_id: UUID
    made: int
    """New deliveries."""
    has_more: bool
    """True if there may be more events."""


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """A delivery that may be sent now, if its endpoint's limit allows it."""

    id: UUID
    endpoint_key: EndpointKey
    rate: int | None = None
    """Attempts a second that its endpoint allows; None for no maximum."""
    is_test: bool = False
    """Somebody waits for the answer: it goes before all others, and has places of its own."""


@dataclass(frozen=True, slots=True)
class DeliveryClaim:
    """The right to make one attempt of a delivery, held by its random token until the lease ends."""

    tenant_id: UUID
    id: UUID
    event_id: UUID
    task_id: UUID | None
    endpoint_id: UUID | None
    """None for the webhook_url of a task."""
    is_test: bool
    """Somebody waits for the answer: there is one attempt, and it says nothing about the endpoint."""
    url: str
    url_key: str
    body: str
    attempt: int
    schedule_from: int
    """Attempts that were made before the delivery was sent again."""
    event_type: str
    claim_token: UUID
    claimed_at: datetime
    secrets: list[tuple[UUID, str]]
    """Id and sealed text of each valid signing secret, newest first."""
    sealed_headers: str | None = None
    """The endpoint's own headers."""

    @property
    def endpoint_key(self) -> EndpointKey:
        """The endpoint whose place it takes."""
        return (self.tenant_id, self.url_key)


# One by one, by the key: a join may compare each tenant with each.
_BEHIND: Final = """
SELECT s.tenant_id FROM tenant_slots s
LEFT JOIN LATERAL (SELECT c.seq FROM webhook_cursor c WHERE c.tenant_id = s.tenant_id LIMIT 1) AS c ON true
WHERE s.webhook_seq > coalesce(c.seq, 0)
"""

_DISABLED: Final = "The endpoint was disabled."
DELETED: Final = "The endpoint was deleted."
"""Why a delivery to such an endpoint is skipped, as the tenant reads it."""

_CALL_FAN_OUT: Final = call("webhook_fan_out", "tenants", "limit", "disabled")
_FAN_OUT: Final = f"SELECT tenant_id, made, has_more FROM {_CALL_FAN_OUT}"  # noqa: S608 a constant of names

# For a webhook_url, which has no endpoint, nothing is looked up.
_RATE: Final = """CASE WHEN d.endpoint_id IS NOT NULL THEN (
    SELECT e.rate_per_second FROM endpoint e WHERE e.tenant_id = d.tenant_id AND e.id = d.endpoint_id LIMIT 1
) END AS rate"""

# Tests have an index of their own. They do not wait for the rate of their endpoint.
_OLDEST_DUE: Final = f"""
(SELECT tenant_id, url_key, id, NULL::integer AS rate, true AS is_test FROM delivery
 WHERE status = 'PENDING' AND event_seq IS NULL AND due_at <= now() ORDER BY due_at LIMIT $1)
UNION ALL
(SELECT tenant_id, url_key, id, {_RATE}, false FROM delivery d
 WHERE status = 'PENDING' AND event_seq IS NOT NULL AND due_at <= now() ORDER BY due_at LIMIT $1)
"""  # noqa: S608 a constant

# A skip scan: two probes of the index for each endpoint, however much waits there. 'i' is beyond every key (they begin
# with 'h', in the case that a collation cares for, or 'e'): from there the next endpoint is the next tenant's first.
_DUE_BY_ENDPOINT: Final = f"""
WITH RECURSIVE line AS (
    (SELECT tenant_id, url_key, 1 AS place FROM delivery
     WHERE status = 'PENDING' AND (tenant_id, url_key) > ($1, $2) ORDER BY tenant_id, url_key LIMIT 1)
    UNION ALL
    SELECT n.tenant_id, n.url_key, line.place + 1 FROM line, LATERAL (
        SELECT d.tenant_id, d.url_key FROM delivery d
        WHERE d.status = 'PENDING' AND (d.tenant_id, d.url_key) > (
            line.tenant_id, CASE WHEN line.tenant_id = ANY($3::uuid[]) THEN 'i' ELSE line.url_key END)
        ORDER BY d.tenant_id, d.url_key LIMIT 1
    ) AS n
    WHERE line.place < $4
)
SELECT line.tenant_id, line.url_key, due.id, due.rate, false AS is_test
FROM line LEFT JOIN LATERAL (
    SELECT d.id, {_RATE} FROM delivery d
    WHERE d.status = 'PENDING' AND (d.tenant_id, d.url_key) >= (line.tenant_id, line.url_key)
      AND (d.tenant_id, d.url_key, d.due_at) <= (line.tenant_id, line.url_key, now()) AND d.event_seq IS NOT NULL
    ORDER BY d.tenant_id, d.url_key, d.due_at LIMIT $5
) AS due ON true
ORDER BY line.place
"""  # noqa: S608 a constant

# Rows are compared, and the order names all columns of the index of endpoints, so that no other one can answer
# (docs/decisions/0010-plans-whatever-statistics-know.md).
_DUE_AT_ENDPOINTS: Final = f"""
SELECT line.tenant_id, line.url_key, due.id, due.rate, false AS is_test
FROM unnest($1::uuid[], $2::text[]) AS line (tenant_id, url_key), LATERAL (
    SELECT d.id, {_RATE} FROM delivery d
    WHERE d.status = 'PENDING' AND (d.tenant_id, d.url_key) >= (line.tenant_id, line.url_key)
      AND (d.tenant_id, d.url_key, d.due_at) <= (line.tenant_id, line.url_key, now()) AND d.event_seq IS NOT NULL
    ORDER BY d.tenant_id, d.url_key, d.due_at LIMIT $3
) AS due
"""  # noqa: S608 a constant

# Attempt and lease are written before anything is sent: a process that dies in mid-send has made its try, and the
# delivery falls due again when the lease ends. What another process took meanwhile is no longer due. Row by row, by the
# key and then by the row's place: a join may read the whole table. IS TRUE hides a condition from the partial indexes:
# by them all that the tenant has waiting would be read to find one. An endpoint is read as it is now: if it was
# disabled or deleted since, its delivery ends here (a test may be sent to a disabled one). The commit does not wait for
# the disk: a claim that a crash undoes is made again, and its event comes once more.
_CLAIM: Final = """
WITH taken AS (
    SELECT one.place, e.url, e.sealed_headers, CASE WHEN one.endpoint_id IS NULL THEN NULL
        WHEN e.id IS NULL THEN $6 WHEN NOT e.enabled AND NOT one.is_test THEN $5 END AS skipped_reason
    FROM (SELECT set_config('synchronous_commit', 'off', true)) AS unflushed CROSS JOIN
        unnest($1::uuid[], $2::uuid[]) AS w (tenant_id, id) CROSS JOIN LATERAL (
        SELECT d.ctid AS place, d.endpoint_id, d.event_seq IS NULL AS is_test FROM delivery d
        WHERE d.tenant_id = w.tenant_id AND d.id = w.id AND (d.status = 'PENDING' AND d.due_at <= now()) IS TRUE
        FOR UPDATE SKIP LOCKED
    ) AS one LEFT JOIN LATERAL (
        SELECT p.id, p.url, p.sealed_headers, p.enabled FROM endpoint p
        WHERE p.tenant_id = w.tenant_id AND p.id = one.endpoint_id LIMIT 1
    ) AS e ON true
)
UPDATE delivery d SET attempt = d.attempt + (taken.skipped_reason IS NULL)::integer, due_at = now() + $3,
    claim_token = CASE WHEN taken.skipped_reason IS NULL
        THEN overlay(gen_random_uuid()::text PLACING left($4::uuid::text, 18) FROM 1)::uuid END,
    skipped_reason = taken.skipped_reason,
    status = CASE WHEN taken.skipped_reason IS NULL THEN 'PENDING' ELSE 'SKIPPED' END,
    finished_at = CASE WHEN taken.skipped_reason IS NOT NULL THEN now() END
FROM taken WHERE d.ctid = taken.place
RETURNING d.tenant_id, d.id, d.event_id, d.task_id, d.endpoint_id, d.event_seq IS NULL AS is_test,
    coalesce(taken.url, d.url) AS url, d.url_key, d.body, d.attempt, d.schedule_from, d.event_type, d.claim_token,
    now() AS claimed_at, taken.sealed_headers, CASE WHEN d.endpoint_id IS NULL THEN (
        SELECT jsonb_agg(jsonb_build_array(s.id, s.sealed) ORDER BY s.created_at DESC, s.id DESC) FROM webhook_secret s
        WHERE s.tenant_id = d.tenant_id AND (s.expires_at IS NULL OR s.expires_at > now())
    ) ELSE (
        SELECT jsonb_agg(jsonb_build_array(s.id, s.sealed) ORDER BY s.created_at DESC, s.id DESC) FROM endpoint_secret s
        WHERE s.tenant_id = d.tenant_id AND s.endpoint_id = d.endpoint_id
          AND (s.expires_at IS NULL OR s.expires_at > now())
    ) END AS secrets
"""

_RELEASE: Final = """
UPDATE delivery d SET attempt = d.attempt - 1, claim_token = NULL, due_at = now() + $4
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS c (tenant_id, id, claim_token) CROSS JOIN LATERAL (
    SELECT x.ctid AS place FROM delivery x
    WHERE x.tenant_id = c.tenant_id AND x.id = c.id AND x.claim_token = c.claim_token
    FOR UPDATE
) AS one
WHERE d.ctid = one.place
"""

_RELEASE_UNANSWERED: Final = """
UPDATE delivery d SET attempt = d.attempt - 1, claim_token = NULL, due_at = now()
FROM unnest($1::uuid[], $2::uuid[]) AS c (tenant_id, id) CROSS JOIN LATERAL (
    SELECT x.ctid AS place FROM delivery x
    WHERE x.tenant_id = c.tenant_id AND x.id = c.id AND x.claim_token BETWEEN $3 AND $4
    FOR UPDATE
) AS one
WHERE d.ctid = one.place
RETURNING d.id
"""


async def behind_any_tenant(connection: Connection) -> list[UUID]:
    """Return the tenants with events that may have to become deliveries."""
    return [row["tenant_id"] for row in await connection.fetch(_BEHIND)]


async def fan_out_any_tenant(connection: Connection, tenant_ids: Sequence[UUID], limit: int) -> list[FannedOut]:
    """Make deliveries of the next ``limit`` events of each tenant (migrations/functions: webhook_fan_out).

    Each event becomes one delivery to each receiver, however many processes do this. A tenant that is missing in the
    answer has none, or another process is at it.
    """
    return [FannedOut(**row) for row in await connection.fetch(_FAN_OUT, tenant_ids, limit, _DISABLED)]


async def oldest_due_any_tenant(connection: Connection, limit: int) -> list[DueDelivery]:
    """Return the tests that are due, and the deliveries that have been due longest, up to ``limit`` of both."""
    return _due(await connection.fetch(_OLDEST_DUE, limit))


async def due_by_endpoint_any_tenant(
    connection: Connection, beyond: EndpointKey, *, full_tenants: Sequence[UUID], endpoints: int, each: int
) -> tuple[list[DueDelivery], EndpointKey | None]:
    """Return the first due ones of the next ``endpoints`` endpoints, at most ``each``, and how far this came.

    None instead of an endpoint: there is nothing further. Of a full tenant one endpoint is looked at.
    """
    rows = await connection.fetch(_DUE_BY_ENDPOINT, *beyond, full_tenants, endpoints, each)
    seen = {(row["tenant_id"], row["url_key"]): None for row in rows}
    return _due(rows), next(reversed(seen)) if len(seen) == endpoints else None


async def due_at_endpoints_any_tenant(
    connection: Connection, endpoints: Sequence[EndpointKey], *, each: int
) -> list[DueDelivery]:
    """Return the first due deliveries of some endpoints, at most ``each`` of them."""
    tenant_ids, url_keys = [endpoint[0] for endpoint in endpoints], [endpoint[1] for endpoint in endpoints]
    return _due(await connection.fetch(_DUE_AT_ENDPOINTS, tenant_ids, url_keys, each))


async def claim_any_tenant(
    connection: Connection, due: Sequence[DueDelivery], lease: timedelta, key: UUID | None = None
) -> list[DeliveryClaim]:
    """Claim one attempt of each delivery that is still due and that no other process is claiming.

    A delivery whose endpoint is disabled or deleted becomes SKIPPED instead.

    ``key`` is random, and new for each claim: its first half is the first half of each token. None makes one.
    """
    tenant_ids, delivery_ids = [one.endpoint_key[0] for one in due], [one.id for one in due]
    rows = await connection.fetch(_CLAIM, tenant_ids, delivery_ids, lease, key or uuid4(), _DISABLED, DELETED)
    return [
        DeliveryClaim(**{**row, "secrets": [(UUID(secret_id), sealed) for secret_id, sealed in row["secrets"] or ()]})
        for row in rows
        if row["claim_token"] is not None
    ]


async def release_any_tenant(
    connection: Connection, claims: Sequence[DeliveryClaim], *, delay: timedelta = timedelta()
) -> None:
    """Make claimed deliveries due again after ``delay``, as if there had been no attempt."""
    await connection.execute(
        _RELEASE,
        [claim.tenant_id for claim in claims],
        [claim.id for claim in claims],
        [claim.claim_token for claim in claims],
        delay,
    )


async def release_unanswered_any_tenant(connection: Connection, due: Sequence[DueDelivery], key: UUID) -> list[UUID]:
    """Make due again what the claim with this ``key`` has taken of ``due``, as if there had been no attempt.

    Use it for a claim whose answer was lost. Returns the ids of these deliveries.
    """
    tenant_ids, delivery_ids = [one.endpoint_key[0] for one in due], [one.id for one in due]
    rows = await connection.fetch(_RELEASE_UNANSWERED, tenant_ids, delivery_ids, *ids.with_first_half_of(key))
    return [row["id"] for row in rows]


def _due(rows: "Sequence[asyncpg.Record]") -> list[DueDelivery]:
    return [
        DueDelivery(row["id"], (row["tenant_id"], row["url_key"]), row["rate"], row["is_test"])
        for row in rows
        if row["id"] is not None
    ]
