"""The path parameters of the calls about schedules."""

from typing import Annotated, Final, TypeAlias
from uuid import UUID

from fastapi import Path
from pydantic import PlainValidator, WithJsonSchema

from app.http import path_ids
from app.schedules.schemas import MAX_NAME, NAME_PATTERN
from app.schedules.store import UNKNOWN

_ID: Final = "A schedule's id."
_NAME: Final = "The schedule's name."


ScheduleId: TypeAlias = Annotated[
    UUID,
    PlainValidator(path_ids.reader(UNKNOWN)),
    WithJsonSchema({"type": "string", "description": _ID, "format": "uuid"}),
    Path(description=_ID),
]
ScheduleName: TypeAlias = Annotated[str, Path(description=_NAME, max_length=MAX_NAME, pattern=NAME_PATTERN)]
