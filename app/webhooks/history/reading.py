"""Read a tenant's deliveries, and send one again."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from app.core.errors import IllegalState, NotFound
from app.db import Database
from app.webhooks.history import schemas, store
from app.webhooks.history.schemas import AttemptOfDelivery, DeliveryDetail, DeliverySummary
from app.webhooks.history.store import DeliveryFilter

REFUSALS: Final = {
    "pending": "The delivery is PENDING: it is sent anyway. Wait for its end.",
    "disabled": "The endpoint is disabled or deleted. Enable it first.",
    "lost": "What the event was about is not kept any more, so its body cannot be made.",
}
"""Texts for the outcomes of a resend that changed nothing."""


async def page(
    reader: Database, tenant_id: UUID, wanted: DeliveryFilter, *, before: UUID, limit: int
) -> tuple[Sequence[DeliverySummary], UUID | None]:
    """Return up to ``limit`` deliveries older than the id ``before``, newest first, and where the list continues."""
    async with reader.transaction(tenant_id) as connection:
        rows, read_to = await store.page(connection, tenant_id, wanted, before=before, limit=limit)
    return [DeliverySummary.model_validate(schemas.summary(row)) for row in rows], read_to


async def detail(reader: Database, tenant_id: UUID, delivery_id: UUID) -> DeliveryDetail:
    """Return a delivery with its attempts. Raises ``NotFound``."""
    # One snapshot: an attempt that is recorded meanwhile would not match the status.
    async with reader.transaction(tenant_id, is_snapshot=True) as connection:
        row = await store.find(connection, tenant_id, delivery_id)
        if row is None:
            raise _unknown()
        attempts = await store.attempts(connection, tenant_id, delivery_id)
    shown = [AttemptOfDelivery.model_validate(dict(attempt)) for attempt in attempts]
    return DeliveryDetail.model_validate({**schemas.summary(row), "attempts": shown})


async def resend(reader: Database, tenant_id: UUID, delivery_id: UUID) -> None:
    """Send a delivery again. Raises ``NotFound``, and ``IllegalState`` for one that cannot be sent now."""
    async with reader.transaction(tenant_id) as connection:
        outcome = (await store.resend(connection, tenant_id, [delivery_id])).get(delivery_id)
    if outcome is None:
        raise _unknown()
    if outcome != "sent":
        raise IllegalState(REFUSALS[outcome])


def _unknown() -> NotFound:
    return NotFound("There is no such delivery.")
