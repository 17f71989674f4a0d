"""The bodies of the call that makes up times of a schedule. Their descriptions are part of the API document."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.core.timestamps import Timestamp


class BackfillRequest(BaseModel):
    """A request to make up past times of a schedule."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [{"from": "2025-05-01T00:00:00Z", "to": "2025-05-08T00:00:00Z", "dry_run": True}]
        },
    )

    first: Timestamp = Field(alias="from", description="Times of the schedule since this one.")
    to: Timestamp = Field(description="Times until this one, as far as they are past.")
    dry_run: bool | None = Field(None, description="Only tell what it would do. Default: false.")

    @model_validator(mode="after")
    def _is_in_order(self) -> "BackfillRequest":
        if self.to <= self.first:
            message = "let from be before to"
            raise ValueError(message)
        return self


class Backfill(BaseModel):
    """The times of a schedule that are made up."""

    operation_id: UUID | None = Field(description="The operation that makes the tasks; null if there is none.")
    count: int = Field(description="The number of times without a task.")
    fires: list[datetime] = Field(description="The first 100 of these times, as the times of the schedule are now.")
