"""The parameters of the calls about events."""

from typing import Annotated, Final, TypeAlias

from fastapi import Header, Query
from pydantic import StringConstraints

from app.events.types import EventType
from app.http.arguments import SentOnce

_MAX_WAIT: Final = 30

# A cursor of any length is read, and a wrong one is a 400, as in lists.
After: TypeAlias = Annotated[
    str | None,
    Query(max_length=512, description="The `next_cursor` of an earlier answer. Default: see above."),
]
Wait: TypeAlias = Annotated[
    float, Query(ge=0, le=_MAX_WAIT, description="Seconds to wait for an event if there is none. JSON only.")
]
TypeFilter: TypeAlias = Annotated[EventType | None, Query(description="Only events of this type.")]
TaskFilter: TypeAlias = Annotated[
    str | None, Query(max_length=64, pattern=r"^[a-z][a-z0-9_.]*$", description="Only events of this task type.")
]
TagFilter: TypeAlias = Annotated[
    Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\p{C}]+$")] | None,
    Query(description="Only events of tasks with this tag."),
]
PageSize: TypeAlias = Annotated[int, Query(ge=1, le=100, description="JSON only.")]
LastEventId: TypeAlias = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        max_length=512,
        description="Streams only: the `id` of the last event. It comes before `after`.",
    ),
    SentOnce(),
]
