"""Path, query and header parameters of the task calls, each with the one function that reads it."""

from typing import Annotated, Final, Literal, TypeAlias
from uuid import UUID

from fastapi import Header, Path, Query
from pydantic import AfterValidator, PlainValidator, WithJsonSchema

from app.core import ids
from app.core import traceparent as traceparents
from app.http import path_ids
from app.http.arguments import SentOnce
from app.tasks.definition import types
from app.tasks.schemas import Tag
from app.tasks.status import Status
from app.tasks.submit import idempotency

_ID: Final = "A task's id."
# Seconds. Proxies and clients usually give a request up after 60 s.
_MAX_WAIT: Final = 30


def _trace(header: str) -> str | None:
    # A comma means that the header was sent twice. Then it is unclear which trace is meant, and both are ignored.
    return traceparents.read(header.split(","))


def _preferred_wait(header: str) -> str:
    """Return the seconds of ``wait=N`` as text, or "". Unknown preferences are ignored (RFC 7240, 2)."""
    for preference in header.split(","):
        name, _, value = preference.strip().partition("=")
        if name.lower() == "wait" and value.isdecimal():
            return value
    return ""


NEWEST_FIRST: Final = "-created_at"

After: TypeAlias = Annotated[
    str | None, Query(max_length=512, description="Begin after this cursor, the `next_cursor` of an earlier page.")
]
LogLimit: TypeAlias = Annotated[int, Query(ge=1, le=1000, description="The most lines of the page.")]
TaskId: TypeAlias = Annotated[
    UUID,
    PlainValidator(path_ids.reader("There is no such task. GET /api/tasks lists your tasks.")),
    WithJsonSchema({"type": "string", "description": _ID, "format": "uuid"}),
    Path(description=_ID),
]
IdempotencyKey: TypeAlias = Annotated[
    Annotated[str, AfterValidator(idempotency.read_key)] | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=257,
        description="The same key and request within 24 h give the same task.",
    ),
    # Joined, two keys would be a third one: a repeat that has the header once would make another task.
    SentOnce(),
]
TraceParent: TypeAlias = Annotated[
    Annotated[str, AfterValidator(_trace)] | None,
    Header(alias="traceparent", description="W3C Trace Context. A value that cannot be read is ignored."),
]
Wait: TypeAlias = Annotated[float, Query(ge=0, le=_MAX_WAIT, description="Seconds to wait for the task's end.")]
Prefer: TypeAlias = Annotated[
    Annotated[str, AfterValidator(_preferred_wait)] | None,
    Header(alias="Prefer", description="`wait=N` means the same as the parameter `wait`."),
]
_ONE_STATUS: Final = f"({'|'.join(Status)})"
# One parameter with commas and not a repeated one: every call refuses a parameter that comes twice.
StatusFilter: TypeAlias = Annotated[
    str | None,
    Query(
        max_length=64,
        pattern=f"^{_ONE_STATUS}(,{_ONE_STATUS})*$",
        description="One status, or several with commas: `FAILURE,REVOKED`.",
    ),
]
TypeFilter: TypeAlias = Annotated[str | None, Query(max_length=64, pattern=f"^{types.NAME}$")]
TagFilter: TypeAlias = Annotated[Tag | None, Query()]
Sort: TypeAlias = Annotated[
    Literal["-created_at", "created_at"], Query(description="`-created_at`: newest first; `created_at`: oldest first.")
]
MetadataFilter: TypeAlias = Annotated[
    str | None,
    Query(
        max_length=577,
        pattern=r"^[^\p{C}:]{1,64}:[^\p{Cc}]{0,512}$",
        description="A key of the metadata with its value: `order:4711`.",
    ),
]
ErrorFilter: TypeAlias = Annotated[
    str | None,
    Query(
        max_length=36,
        pattern=f"^{ids.UUID_IN_ANY_CASE}$",
        description="Tasks whose latest failed attempt is an occurrence of this error (`/api/errors`).",
    ),
]
Include: TypeAlias = Annotated[Literal["result"] | None, Query(description="`result` adds the task's result.")]


def seconds_to_wait(wait: float, prefer: str | None) -> float:
    """Return the seconds that a request may wait. The parameter ``wait`` comes before the preference.

    A preference above the maximum is lowered to it, because a preference is never an error (RFC 7240, 2).
    """
    return wait or min(float(prefer or 0), _MAX_WAIT)
