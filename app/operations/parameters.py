"""The path parameter of the calls about operations."""

from typing import Annotated, Final, TypeAlias
from uuid import UUID

from fastapi import Path
from pydantic import PlainValidator, WithJsonSchema

from app.core import ids
from app.core.errors import NotFound

_ID: Final = "An operation's id."


def _operation_id(text: str) -> UUID:
    # A text that is no id is answered as an unknown operation: a client need not tell the two apart.
    operation_id = ids.read(text)
    if operation_id is None:
        raise NotFound("There is no such operation.")
    return operation_id


OperationId: TypeAlias = Annotated[
    UUID,
    PlainValidator(_operation_id),
    WithJsonSchema({"type": "string", "description": _ID, "format": "uuid"}),
    Path(description=_ID),
]
