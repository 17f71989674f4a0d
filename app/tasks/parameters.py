"""Path and header parameters of the task calls."""

from typing import Annotated

from fastapi import Depends, Header, Path, Request

from app.core import traceparent as traceparents

TaskId = Annotated[str, Path(description="A task's id.", json_schema_extra={"format": "uuid"})]
IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=257, description="Sent again within 24 h with the same request: the same task."),
]


async def _trace(
    request: Request,
    _traceparent: Annotated[
        str | None, Header(alias="traceparent", description="W3C Trace Context. One that cannot be read is ignored.")
    ] = None,
) -> str | None:
    traceparent = traceparents.read(request.headers.getlist("traceparent"))
    request.scope["state"]["trace_id"] = traceparents.trace_id(traceparent)
    return traceparent


TraceParent = Annotated[str | None, Depends(_trace)]
