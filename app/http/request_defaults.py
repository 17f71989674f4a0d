"""Say the defaults of requests in words instead of by the keyword ``default``.

Widely used generators of TypeScript make each member with that keyword required, also in requests
(openapi-typescript, https://github.com/openapi-ts/openapi-typescript/issues/1741): every submit would have to name all
of its options.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

_SCHEMAS: Final = "#/components/schemas/"


def as_text(described: dict[str, Any]) -> dict[str, Any]:
    """Move each default of a request's member into its description. Changes the OpenAPI document, and returns it."""
    schemas = described["components"]["schemas"]
    for name in _of_requests(described, schemas):
        _change(schemas[name])
    return described


def _of_requests(described: dict[str, Any], schemas: dict[str, Any]) -> set[str]:
    """Return the names of all schemas that a body refers to, directly or by way of others."""
    bodies = [
        operation["requestBody"]
        for item in described["paths"].values()
        for operation in item.values()
        if isinstance(operation, dict) and "requestBody" in operation
    ]
    found: set[str] = set()
    left = list(_references(bodies))
    while left:
        name = left.pop()
        if name not in found and name in schemas:
            found.add(name)
            left.extend(_references(schemas[name]))
    return found


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(reference := part.get("$ref"), str):
            yield reference.removeprefix(_SCHEMAS)
        for value in part.values():
            yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


def _change(part: Any) -> None:
    if isinstance(part, list):
        for value in part:
            _change(value)
        return
    if not isinstance(part, dict):
        return
    properties = part.get("properties")
    for member in properties.values() if isinstance(properties, dict) else ():
        if isinstance(member, dict) and "default" in member:
            told = f"Default: `{json.dumps(member.pop('default'), ensure_ascii=False)}`."
            member["description"] = f"{member['description']} {told}" if member.get("description") else told
    for value in part.values():
        _change(value)
