"""Remove nulls from the API document that mean nothing.

A client may send null for an optional member of a request, since many clients send all of their members; it means the
same as a missing one. A client that is generated from the document has no use for it.
"""

from collections.abc import Iterator
from typing import Any, Final

_SCHEMAS: Final = "#/components/schemas/"
# In the body of a change null means something: a member that is missing keeps its value.
_CHANGES: Final = "patch"


def drop(described: dict[str, Any]) -> None:
    """Remove the null of parameters and of optional members of requests, and each ``default: null``."""
    schemas = described["components"]["schemas"]
    operations = [(method, one) for item in described["paths"].values() for method, one in item.items()]
    asked = _reached(schemas, [one.get("requestBody") for method, one in operations if method != _CHANGES])
    kept = [one.get("requestBody") for method, one in operations if method == _CHANGES]
    answered = _reached(schemas, [*kept, *(one["responses"] for _, one in operations)])
    for name in asked - answered:
        required = schemas[name].get("required", ())
        for member, schema in schemas[name].get("properties", {}).items():
            if member not in required:
                _drop_null(schema)
    for _, operation in operations:
        for parameter in operation.get("parameters", ()):
            _drop_null(parameter["schema"])
    _drop_null_defaults(described)


def _reached(schemas: dict[str, Any], roots: list[Any]) -> set[str]:
    """Return the names of the schemas that these parts of the document lead to."""
    found: set[str] = set()
    left = [name for root in roots for name in _references(root)]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left.extend(_references(schemas[name]))
    return found


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(reference := part.get("$ref"), str) and reference.startswith(_SCHEMAS):
            yield reference.removeprefix(_SCHEMAS)
        for name, value in part.items():
            # What null means in a payload is the task type's business.
            if name != "payload":
                yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


def _drop_null(schema: dict[str, Any]) -> None:
    choices = [choice for choice in schema.get("anyOf", ()) if choice.get("type") != "null"]
    if len(choices) == 1:
        del schema["anyOf"]
        own = dict(schema)
        schema.clear()
        schema.update(choices[0] | own)
    elif choices:
        schema["anyOf"] = choices


def _drop_null_defaults(part: Any) -> None:
    # A client generated from ``default: null`` sends null for each member that its caller leaves out.
    if isinstance(part, dict):
        if part.get("default", ...) is None:
            del part["default"]
        for value in part.values():
            _drop_null_defaults(value)
    elif isinstance(part, list):
        for value in part:
            _drop_null_defaults(value)
