"""The path parameter of the calls about endpoints."""

from typing import Annotated, Final, TypeAlias
from uuid import UUID

from fastapi import Path
from pydantic import PlainValidator, WithJsonSchema

from app.http import path_ids
from app.webhooks.endpoints.store import UNKNOWN

_ID: Final = "An endpoint's id."


EndpointId: TypeAlias = Annotated[
    UUID,
    PlainValidator(path_ids.reader(UNKNOWN)),
    WithJsonSchema({"type": "string", "description": _ID, "format": "uuid"}),
    Path(description=_ID),
]
