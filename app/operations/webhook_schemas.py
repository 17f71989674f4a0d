"""The bodies of the calls that send many deliveries again. Docstrings and descriptions are part of the API document."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.events.types import EventType
from app.identity.paging import AskedTime
from app.operations.filters import SelectingFilter
from app.webhooks.history.parameters import AskedId

_MAX_IDS: Final = 1_000
_STRICT: Final = ConfigDict(extra="forbid", strict=True)


class RecoverRequest(BaseModel):
    """A request to send failed deliveries of an endpoint again."""

    model_config = _STRICT

    since: AskedTime = Field(description="Deliveries of events since this time.")
    until: AskedTime | None = Field(None, description="Deliveries of events before this time. Default: all until now.")

    @model_validator(mode="after")
    def _is_in_order(self) -> "RecoverRequest":
        if self.until is not None and self.until <= self.since:
            message = "let since be before until"
            raise ValueError(message)
        return self


class ReplayMissingRequest(BaseModel):
    """A request to send an endpoint what it has missed."""

    model_config = _STRICT

    since: AskedTime = Field(description="Events since this time, as far as they are kept (the limit `event_hours`).")


class ResendFilter(SelectingFilter):
    """The deliveries to send again: those that meet every condition, and have ended before the request."""

    # A misspelt condition must not be ignored: the operation would send more than its caller meant.
    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"examples": [{"statuses": ["FAILED"], "type": "task.failed"}]}
    )

    statuses: Annotated[list[Literal["DELIVERED", "FAILED", "SKIPPED"]], Field(min_length=1, max_length=3)] | None = (
        Field(None, description="Default: FAILED; all three if `ids` names the deliveries.")
    )
    endpoint: AskedId | None = Field(None, description="Deliveries to this endpoint.")
    type: EventType | None = Field(None, description="Deliveries of events of this type.", strict=False)
    task_id: AskedId | None = Field(None, description="Deliveries of this task's events.")
    since: AskedTime | None = Field(None, description="Deliveries of events since this time.")
    until: AskedTime | None = Field(None, description="Deliveries of events before this time.")
    ids: Annotated[list[AskedId], Field(min_length=1, max_length=_MAX_IDS)] | None = Field(
        None, description="These deliveries. An id that is unknown, or does not meet the other conditions, is left out."
    )
    all: Literal[True] | None = Field(None, description="Send it instead of conditions for every failed one.")


class ResendDeliveriesRequest(BaseModel):
    """A request to send many deliveries again."""

    model_config = _STRICT

    filter: ResendFilter
