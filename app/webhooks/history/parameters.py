"""The parameters of the calls about deliveries."""

from typing import Annotated, Final, Literal, TypeAlias, get_args
from uuid import UUID

from fastapi import Path, Query
from pydantic import BeforeValidator, PlainValidator, WithJsonSchema

from app.core import ids
from app.events.types import EventType
from app.http import path_ids
from app.identity.paging import AskedTime
from app.webhooks.history.schemas import DeliveryStatus

_ID: Final = "A delivery's id."
_STATUS: Final = f"({'|'.join(get_args(DeliveryStatus))})"


def _id(text: object) -> UUID:
    found = ids.read(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError("Input should be an id")
    return found


AskedId: TypeAlias = Annotated[UUID, BeforeValidator(_id), WithJsonSchema({"type": "string", "format": "uuid"})]
"""An id in a query or a body: one that is no id is refused."""
DeliveryId: TypeAlias = Annotated[
    UUID,
    PlainValidator(path_ids.reader("There is no such delivery.")),
    WithJsonSchema({"type": "string", "description": _ID, "format": "uuid"}),
    Path(description=_ID),
]
EndpointFilter: TypeAlias = Annotated[AskedId | None, Query(description="Only deliveries to this endpoint.")]
TaskIdFilter: TypeAlias = Annotated[AskedId | None, Query(description="Only deliveries of this task's events.")]
# One parameter with commas and not a repeated one: every call refuses a parameter that comes twice.
DeliveryStatusFilter: TypeAlias = Annotated[
    str | None,
    Query(
        max_length=64,
        pattern=f"^{_STATUS}(,{_STATUS})*$",
        description="One status, or several with commas: `FAILED,SKIPPED`.",
    ),
]
EventTypeFilter: TypeAlias = Annotated[EventType | None, Query(description="Only deliveries of events of this type.")]
Since: TypeAlias = Annotated[AskedTime | None, Query(description="Only deliveries of events since this time.")]
MetricsFrom: TypeAlias = Annotated[
    AskedTime | None,
    Query(alias="from", description="Default: an hour (minutes), a day (hours) or 30 days (days) before `to`."),
]
MetricsTo: TypeAlias = Annotated[AskedTime | None, Query(alias="to", description="Default: now.")]
MetricsBucket: TypeAlias = Annotated[
    Literal["minute", "hour", "day"],
    Query(description="Minutes are kept for 48 hours, hours for 35 days, days for 400 days. All begin in UTC."),
]
MetricsBy: TypeAlias = Annotated[
    Literal["endpoint", "type", "status"] | None,
    Query(description="One series for each endpoint, type of event, or class of answers. Default: one for all."),
]
