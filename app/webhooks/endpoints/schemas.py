"""The bodies of the calls about endpoints. Their docstrings and descriptions are part of the API document."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeAlias, cast
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from app.core.config import get_settings
from app.http.strict_json import Bounds
from app.outbound import urls
from app.outbound.urls import MAX_LENGTH
from app.webhooks.endpoints import header_rules

BOUNDS: Final = Bounds(size=64 * 1024, max_marks=2_000)
"""Bounds of a body with an endpoint: its largest parts are headers and filters."""
MAX_OVERLAP_SECONDS: Final = 7 * 86_400
DEFAULT_OVERLAP_SECONDS: Final = 86_400
MAX_RATE: Final = 1_000
_MAX_FILTER: Final = 100

EventTypeName: TypeAlias = Literal[
    "task.succeeded",
    "task.failed",
    "task.revoked",
    "task.retrying",
    "endpoint.failing",
    "endpoint.disabled",
    "quota.reached",
    "key.expiring",
    "schedule.skipped",
]
DEFAULT_TYPES: Final[tuple[EventTypeName, ...]] = ("task.succeeded", "task.failed", "task.revoked")


def _url(text: str) -> str:
    if fault := urls.validation_error(text, get_settings().webhook_allowed_networks):
        raise ValueError(fault)
    return text


def _headers(headers: dict[str, str]) -> dict[str, str]:
    if fault := header_rules.validation_error(headers):
        raise ValueError(fault)
    return headers


def _without_repeats(names: list[Any]) -> list[Any]:
    return list(dict.fromkeys(names))


_Url = Annotated[str, AfterValidator(_url)]
_Types = Annotated[list[EventTypeName], Field(min_length=1, max_length=20), AfterValidator(_without_repeats)]
_Task = Annotated[str, StringConstraints(max_length=64, pattern=r"^[a-z][a-z0-9_.]*$")]
_Tag = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\p{C}]+$")]
_Tasks = Annotated[list[_Task], Field(min_length=1, max_length=_MAX_FILTER), AfterValidator(_without_repeats)]
_Tags = Annotated[list[_Tag], Field(min_length=1, max_length=_MAX_FILTER), AfterValidator(_without_repeats)]
_Text = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\p{C}]*$")]
_Headers = Annotated[dict[str, str], AfterValidator(_headers)]
_Rate = Annotated[int, Field(ge=1, le=MAX_RATE)]

_URL = f"Where events are sent: a URL of at most {MAX_LENGTH} characters, as for `webhook_url`."
_EVENT_TYPES = "Default: `task.succeeded`, `task.failed` and `task.revoked`."
_HEADERS = "Headers that are added to each request. They are stored sealed, and later calls show their names only."
_RATE = "The most attempts that are made in a second. Default: no limit."


class _WebhookBody(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class EndpointFilter(BaseModel):
    """The events about tasks that an endpoint gets. Both conditions count; other events are not filtered."""

    model_config = ConfigDict(extra="forbid", strict=True, from_attributes=True)

    tasks: _Tasks | None = Field(None, description="Only of tasks of these types.")
    tags: _Tags | None = Field(None, description="Only of tasks with at least one of these tags.")


class EndpointRequest(_WebhookBody):
    """A new endpoint. A null member means the same as a missing one."""

    url: _Url = Field(description=_URL, examples=["https://hooks.example.com/tasks"])
    event_types: _Types | None = Field(None, description=_EVENT_TYPES)
    filter: EndpointFilter | None = None
    description: _Text | None = Field(None, description="A text for people.")
    enabled: bool | None = Field(None, description="Default: true.")
    headers: _Headers | None = Field(None, description=_HEADERS)
    rate_per_second: _Rate | None = Field(None, description=_RATE)


class EndpointChange(_WebhookBody):
    """The members to change. One that is missing stays as it is; null sets the default of a new endpoint."""

    # A url has no default, so null is refused. Pydantic does not validate defaults.
    url: _Url = Field(cast("str", None), description=_URL)
    event_types: _Types | None = Field(None, description=_EVENT_TYPES)
    filter: EndpointFilter | None = None
    description: _Text | None = None
    enabled: bool | None = Field(
        None, description="True (and null) ends every reason for which the endpoint is disabled."
    )
    headers: _Headers | None = Field(None, description="All headers, in place of those that it has; null for none.")
    rate_per_second: _Rate | None = Field(None, description=_RATE)


class RotateSecretRequest(_WebhookBody):
    """A request for a new secret."""

    overlap_seconds: Annotated[int, Field(ge=0, le=MAX_OVERLAP_SECONDS)] | None = Field(
        None, description=f"How long both secrets sign. Default: {DEFAULT_OVERLAP_SECONDS}."
    )


class EndpointTestRequest(_WebhookBody):
    """A request to send an example."""

    type: EventTypeName | None = Field(None, description="Default: `task.succeeded`.")


class Endpoint(BaseModel):
    """A URL that gets the tenant's events."""

    model_config = ConfigDict(from_attributes=True)

    endpoint_id: UUID
    url: str
    event_types: list[str]
    filter: EndpointFilter | None
    description: str | None
    header_names: list[str] = Field(description="The names of its own headers. Their values are never shown.")
    rate_per_second: int | None
    enabled: bool
    disabled_at: datetime | None
    disabled_by: Literal["tenant", "operator", "gone", "failing"] | None = Field(
        description="`gone`: it answered 410; `failing`: 5 days without a success; null while it is enabled."
    )
    failing_since: datetime | None = Field(
        description="Time of the first failed attempt after the latest success; null if there is none."
    )
    created_at: datetime
    updated_at: datetime


class NewEndpoint(Endpoint):
    """A new endpoint with its secret."""

    secret: str = Field(description="It signs every request to the endpoint (Standard Webhooks).")


class EndpointPage(BaseModel):
    """A page of endpoints, newest first."""

    items: list[Endpoint]
    next_cursor: str | None = Field(description="Send it as `cursor` to get the next page; null on the last page.")


class SigningSecret(BaseModel):
    """The secret that signs."""

    secret: str = Field(description="The newest secret.", examples=["whsec_..."])
    created_at: datetime
    previous_expires_at: datetime | None = Field(
        description="The secret before it signs as well until this time; null if it does not any more."
    )


class EndpointTest(BaseModel):
    """The answer of the receiver to an example."""

    delivery_id: UUID
    status: Literal["DELIVERED", "FAILED"] = Field(description="DELIVERED if it answered 2xx.")
    response_status: int | None = Field(description="The HTTP status; null if there was no answer.")
    duration_ms: int
    error: str | None = Field(description="Why there was no answer; null if there was one.")
    response_body: str | None = Field(description="The first 4 KiB of the answer; null if there was none.")
