"""The bodies of the calls about deliveries. Their docstrings and descriptions are part of the API document."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    import asyncpg

DeliveryStatus: TypeAlias = Literal["PENDING", "DELIVERED", "FAILED", "SKIPPED"]


class DeliverySummary(BaseModel):
    """One event for one URL."""

    delivery_id: UUID
    webhook_id: str = Field(
        description="The header `webhook-id` of each attempt. It is the same for all endpoints that get the event.",
        examples=["msg_019ab2c47c1e7d3a9b505f0c6b1f2a10"],
    )
    endpoint_id: UUID | None = Field(description="Null for the `webhook_url` of a task.")
    url: str
    type: str = Field(description="The type of the event.", examples=["task.succeeded"])
    task_id: UUID | None = Field(description="Null if the event is about no task.")
    status: DeliveryStatus = Field(description="FAILED: every attempt has failed. SKIPPED: the endpoint was disabled.")
    skipped_reason: str | None
    attempt_count: int = Field(description="Attempts that were begun, over all times that it was sent.")
    last_status: int | None = Field(description="HTTP status of the latest answer; null if none came.")
    next_attempt_at: datetime | None = Field(description="Null while an attempt runs, and if none follows.")
    created_at: datetime
    finished_at: datetime | None = Field(description="Null while the status is PENDING.")


class DeliveryPage(BaseModel):
    """A page of deliveries, newest first."""

    items: list[DeliverySummary]
    next_cursor: str | None = Field(description="Send it as `cursor` to get the next page; null on the last page.")


class AttemptOfDelivery(BaseModel):
    """One request to the URL, with its answer."""

    attempt: int = Field(description="Number of the attempt, from 1. A number is missing if a process was killed.")
    started_at: datetime
    duration_ms: int
    status: int | None = Field(description="HTTP status of the answer; null if none came.")
    error: str | None = Field(description="Why there was no answer, or why it was not accepted; null after a success.")
    response_body: str | None = Field(description="The first 4 KiB of the answer, as text; null if there was none.")


class DeliveryDetail(DeliverySummary):
    """A delivery with its attempts."""

    attempts: list[AttemptOfDelivery] = Field(description="The latest attempts, at most 100, the first one first.")


class DeliveryAgain(BaseModel):
    """The delivery is sent again, now."""

    delivery_id: UUID
    status: Literal["PENDING"] = "PENDING"


class DeliveryOfTask(BaseModel):
    """A delivery of an event of the task."""

    delivery_id: UUID
    endpoint_id: UUID | None = Field(description="Null for the `webhook_url` of the task.")
    type: str = Field(description="The type of the event.", examples=["task.succeeded"])
    status: DeliveryStatus
    attempt_count: int
    last_status: int | None = Field(description="HTTP status of the latest answer; null if none came.")
    next_attempt_at: datetime | None = Field(description="Null while an attempt runs, and if none follows.")


def summary(row: "asyncpg.Record") -> dict[str, Any]:
    """Return the members of a delivery, from its row."""
    facts = dict(row)
    # As in the header (delivery/signing.py).
    return facts | {"webhook_id": f"msg_{facts.pop('event_id').hex}"}
