"""Refuse unknown members of a payload when it is submitted. A model that says ``extra=…`` itself keeps what it says.

Pydantic ignores unknown members by default, so a tenant would never learn that it has misspelled an optional one. A
worker still ignores them: what was accepted once must run, also after a member was removed from the model.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import SchemaValidator

# Parts of a core schema that contain values, and no other schemas.
_VALUES: Final = frozenset({"cls", "config", "default", "expected", "metadata", "serialization"})
_SAYING: Final = "extra_fields_behavior"


def validator(payload: type[BaseModel]) -> SchemaValidator:
    """Return a validator of the model that forbids unknown members at any depth, where no model says otherwise."""
    # The validators of nested models, which pydantic has built already, would not know it.
    return SchemaValidator(_forbidding(payload.__pydantic_core_schema__), _use_prebuilt=False)


def json_schema(payload: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of what a submit takes."""
    return payload.model_json_schema(schema_generator=SubmitJsonSchema)


def _forbidding(part: Any) -> Any:
    if isinstance(part, list | tuple):
        return type(part)(_forbidding(one) for one in part)
    if not isinstance(part, dict):
        return part
    # A map of fields by name has no type, but may have a field that is called so: its value is a schema, and no text.
    is_schema = isinstance(part.get("type"), str)
    copy = {name: one if is_schema and name in _VALUES else _forbidding(one) for name, one in part.items()}
    return _closed(copy) if is_schema and copy["type"] == "model" and not copy.get("root_model") else copy


def _closed(model: dict[str, Any]) -> dict[str, Any]:
    config: Mapping[str, Any] = model.get("config") or {}
    return model if _SAYING in config else {**model, "config": {**config, _SAYING: "forbid"}}


class SubmitJsonSchema(GenerateJsonSchema):
    """The JSON schema of what a submit takes. Models of results are left as they are."""

    def model_schema(self, schema: Any) -> JsonSchemaValue:
        """Return the schema of a model, without room for unknown members if the model does not say otherwise."""
        made = super().model_schema(schema)
        model = schema["cls"]
        if self.mode == "validation" and not model.__pydantic_root_model__ and "extra" not in model.model_config:
            made.setdefault("additionalProperties", False)
        return made
