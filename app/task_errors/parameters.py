"""Path and query parameters of the calls about errors."""

from typing import Annotated, Final, TypeAlias, get_args
from uuid import UUID

from fastapi import Path, Query
from pydantic import PlainValidator, WithJsonSchema

from app.http import path_ids
from app.task_errors.schemas import ErrorStatus

_ID: Final = "An error's id."


ErrorId: TypeAlias = Annotated[
    UUID,
    PlainValidator(path_ids.reader("There is no such error.")),
    WithJsonSchema({"type": "string", "description": _ID, "format": "uuid"}),
    Path(description=_ID),
]
_ONE_STATUS: Final = f"({'|'.join(get_args(ErrorStatus))})"
# One parameter with commas and not a repeated one: every call refuses a parameter that comes twice.
ErrorStatusFilter: TypeAlias = Annotated[
    str | None,
    Query(
        max_length=40,
        pattern=f"^{_ONE_STATUS}(,{_ONE_STATUS})*$",
        description="One status, or several with commas: `unresolved,ignored`.",
    ),
]
