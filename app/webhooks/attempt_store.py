"""SQL that records attempts of deliveries, many in one statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from app.core import ids
from app.db import Connection, call
from app.webhooks import durations, status_classes
from app.webhooks.store import DeliveryClaim

_CALL_RECORD: Final = call(
    "deliveries_record", "tenants", "ids", "tokens", "statuses", "delays", "starts", "durations", "responses", "errors",
    "bodies", "endpoints", "types", "classes", "firsts", "places", "tests", "buckets", "failing_after",
    "disabled_after",
)  # fmt: skip
_RECORD: Final = f"SELECT id, may_tell FROM {_CALL_RECORD}"  # noqa: S608 a constant of names


@dataclass(frozen=True, slots=True)
class EndedAttempt:
    """An attempt that has ended, and what follows it."""

    claim: DeliveryClaim
    status: str
    """The new status of the delivery."""
    delay: timedelta
    """Before the next attempt, if the status is PENDING."""
    duration_ms: int
    response_status: int | None
    error: str | None
    response_body: str | None = None

    def columns(self) -> tuple[object, ...]:
        """Return the element of each array of the statement."""
        claim = self.claim
        return (
            claim.tenant_id, claim.id, claim.claim_token, self.status, self.delay, claim.claimed_at, self.duration_ms,
            self.response_status, self.error, self.response_body, claim.endpoint_id or ids.FIRST, claim.event_type,
            status_classes.of(self.response_status), claim.attempt == 1, durations.place(self.duration_ms) + 1,
            claim.is_test,
        )  # fmt: skip


async def record_any_tenant(
    connection: Connection, ended: Sequence[EndedAttempt], *, failing_after: timedelta, disabled_after: timedelta
) -> dict[UUID, bool]:
    """Write attempts and the deliveries' new statuses, where the claims' tokens are still valid.

    Return these deliveries, and for each of them whether ``endpoint_failed`` has something to tell of its endpoint.
    """
    # Sorted, so that two processes lock the rows in the same order.
    rows = sorted(ended, key=lambda one: (one.claim.tenant_id, one.claim.id))
    columns = [list(column) for column in zip(*(one.columns() for one in rows), strict=True)]
    found = await connection.fetch(_RECORD, *columns, durations.COUNT, failing_after, disabled_after)
    return {row["id"]: row["may_tell"] for row in found}
