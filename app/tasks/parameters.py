"""Path, query and header parameters of the task calls, each with the one function that reads it."""

from typing import Annotated, Final, TypeAlias
from uuid import UUID

from fastapi import Header, Path, Query
from pydantic import AfterValidator, PlainValidator, WithJsonSchema

from app.core import ids
from app.core import traceparent as traceparents
from app.core.errors import InvalidRequest, NotFound
from app.tasks.definition import types
from app.tasks.schemas import Tag
from app.tasks.status import Status

_ID: Final = "A task's id."
_MAX_KEY: Final = 255
_MAX_WAIT: Final = 30


def _task_id(text: str) -> UUID:
    task_id = ids.read(text)
    if task_id is None:
        raise NotFound("There is no such task.")
    return task_id


def _key(header: str) -> str:
    # The draft standard quotes the key, common practice does not: both forms mean the same key.
    key = header[1:-1] if len(header) > 1 and header[0] == header[-1] == '"' else header
    if not (1 <= len(key) <= _MAX_KEY and key.isascii() and key.isprintable()):
        raise InvalidRequest("Idempotency-Key takes 1 to 255 printable ASCII characters.")
    return key


def _trace(header: str) -> str | None:
    # A comma comes from a header that was sent twice: nobody knows which trace it is.
    return traceparents.read(header.split(","))


def _preferred_wait(header: str) -> str:
    """Return the seconds of ``wait=N``, as text, or no text: a preference that we do not know is ignored (RFC 7240)."""
    for preference in header.split(","):
        name, _, value = preference.strip().partition("=")
        if name.lower() == "wait" and value.isdecimal():
            return value
    return ""


TaskId: TypeAlias = Annotated[
    UUID,
    PlainValidator(_task_id),
    WithJsonSchema({"type": "string", "description": _ID, "format": "uuid"}),
    Path(description=_ID),
]
IdempotencyKey: TypeAlias = Annotated[
    Annotated[str, AfterValidator(_key)] | None,
    Header(min_length=1, max_length=257, description="Sent again within 24 h with the same request: the same task."),
]
TraceParent: TypeAlias = Annotated[
    Annotated[str, AfterValidator(_trace)] | None,
    Header(alias="traceparent", description="W3C Trace Context. One that cannot be read is ignored."),
]
Wait: TypeAlias = Annotated[float, Query(ge=0, le=_MAX_WAIT, description="Seconds to wait for the end.")]
Prefer: TypeAlias = Annotated[
    Annotated[str, AfterValidator(_preferred_wait)] | None,
    Header(description="`wait=N` means the same as the parameter."),
]
StatusFilter: TypeAlias = Annotated[Status | None, Query()]
TypeFilter: TypeAlias = Annotated[str | None, Query(max_length=64, pattern=f"^{types.NAME}$")]
TagFilter: TypeAlias = Annotated[Tag | None, Query()]


def seconds_to_wait(wait: float, prefer: str | None) -> float:
    """Return how long a request may wait: its parameter counts before its preference."""
    return wait or min(float(prefer or 0), _MAX_WAIT)
