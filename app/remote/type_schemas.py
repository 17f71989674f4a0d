"""The bodies of the calls about a tenant's own task types. Docstrings and descriptions are part of the API document."""

from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.tasks.definition.control import MAX_DELAY_SECONDS

MAX_SUMMARY: Final = 200
DEFAULT_MAX_ATTEMPTS: Final = 3
DEFAULT_TIME_LIMIT: Final = 900.0
DEFAULT_LEASE_SECONDS: Final = 60
MIN_LEASE_SECONDS: Final = 15
MAX_LEASE_SECONDS: Final = 3_600
_SCHEMA: Final = (
    "JSON Schema 2020-12 of the {}: at most 64 KiB and 1,000 schemas; `$ref` to `#/$defs/…` only, and no recursion. "
    "Without one, every JSON value is taken."
)

LeaseSeconds = Annotated[int, Field(ge=MIN_LEASE_SECONDS, le=MAX_LEASE_SECONDS)]


class OwnTaskTypeValues(BaseModel):
    """A task type of your own without its name. A null member means the same as a missing one."""

    model_config = ConfigDict(extra="forbid", strict=True)

    summary: Annotated[str, StringConstraints(max_length=MAX_SUMMARY, pattern=r"^[^\p{Cc}]*$")] | None = Field(
        None, description="One line for people."
    )
    payload_schema: Any = Field(None, description=_SCHEMA.format("payload"))
    result_schema: Any = Field(None, description=_SCHEMA.format("result"))
    max_attempts: Annotated[int, Field(ge=1, le=25)] | None = Field(
        None, description=f"After so many failed attempts a task fails. Default: {DEFAULT_MAX_ATTEMPTS}."
    )
    time_limit: Annotated[float, Field(gt=0, le=86_400)] | None = Field(
        None, description=f"Seconds for which one attempt may run. Default: {DEFAULT_TIME_LIMIT:g}."
    )
    lease_seconds: LeaseSeconds | None = Field(
        None, description=f"Seconds after which a lease ends without a heartbeat. Default: {DEFAULT_LEASE_SECONDS}."
    )
    retry_backoff: Annotated[float, Field(ge=0, le=MAX_DELAY_SECONDS)] | None = Field(
        None, description="Seconds before the second attempt. It doubles with each further one. Default: 1."
    )
    retry_backoff_max: Annotated[float, Field(ge=0, le=MAX_DELAY_SECONDS)] | None = Field(
        None, description="The longest of these delays, in seconds. Default: 600."
    )
    retry_jitter: bool | None = Field(
        None, description="Whether a delay is a random part of what was computed. Default: true."
    )


class OwnTaskType(BaseModel):
    """A task type of your own. Your workers lease its tasks."""

    name: str
    summary: str
    payload_schema: Any = Field(description="Null if every payload is taken.")
    result_schema: Any = Field(description="Null if every result is taken.")
    max_attempts: int
    time_limit: float = Field(description="Seconds for which one attempt may run.")
    lease_seconds: int = Field(description="Seconds after which a lease ends without a heartbeat.")
    retry_backoff: float = Field(description="Seconds before the second attempt. It doubles with each further one.")
    retry_backoff_max: float = Field(description="The longest of these delays, in seconds.")
    retry_jitter: bool = Field(description="Whether a delay is a random part of what was computed.")
    created_at: datetime
    updated_at: datetime
