"""The path parameter of the calls about operations."""

from typing import Annotated, Final, TypeAlias
from uuid import UUID

from fastapi import Path
from pydantic import PlainValidator, WithJsonSchema

from app.http import path_ids

_ID: Final = "An operation's id."


OperationId: TypeAlias = Annotated[
    UUID,
    PlainValidator(path_ids.reader("There is no such operation.")),
    WithJsonSchema({"type": "string", "description": _ID, "format": "uuid"}),
    Path(description=_ID),
]
