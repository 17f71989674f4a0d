"""The metadata of a task: texts of the tenant's own, by key."""

from typing import Annotated, Final, TypeAlias

from pydantic import Field, StringConstraints, WithJsonSchema

# A key has no colon: that stands between key and value in the filter of the list.
_Key: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\p{C}:]+$")]
_Value: TypeAlias = Annotated[str, StringConstraints(max_length=512, pattern=r"^[^\p{Cc}]*$")]
# A plain schema, because generators of clients do not know patternProperties.
_SCHEMA: Final = {"type": "object", "additionalProperties": {"type": "string", "maxLength": 512}, "maxProperties": 16}

Metadata: TypeAlias = Annotated[dict[_Key, _Value], Field(max_length=16), WithJsonSchema(_SCHEMA)]
