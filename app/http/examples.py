"""Add an example to every body of the API document. It is made from the schema if the model declares none."""

from copy import deepcopy
from typing import Any, Final

_ID: Final = "019ab2c4-7c1e-7d3a-9b50-5f0c6b1f2a10"
_BY_FORMAT: Final = {"uuid": _ID, "date-time": "2027-01-31T12:00:00Z", "date": "2027-01-31"}
_BY_NAME: Final = {
    "access_token": "eyJhbGciOiJFUzI1NiJ9.e30.c2lnbmF0dXJl",
    "actor": "4f9a1c0e7b2d",
    "action": "key.issued",
    "api_key": "tq_live_4f9a1c0e7b2d_secret",
    "current_password": "correct horse battery",
    "email": "ann@example.com",
    "key_id": "4f9a1c0e7b2d",
    "name": "reports",
    "new_password": "staple correct battery",
    "object": "4f9a1c0e7b2d",
    "password": "correct horse battery",
    "scope": "tasks:read tasks:write",
    "scopes": "tasks:read",
    "summary": "Return the payload.",
    "tags": "nightly",
    "task": "echo",
    "token": "eyJhbGciOiJFUzI1NiJ9.e30.c2lnbmF0dXJl",
}
"""Values of text members, by the member's name."""


def add_examples(described: dict[str, Any]) -> None:
    """Add an example to each request and response body that has none. Changes the OpenAPI document."""
    schemas = described["components"]["schemas"]
    for group in ("paths", "webhooks"):
        for item in described.get(group, {}).values():
            for operation in item.values():
                for body in (operation.get("requestBody", {}), *operation["responses"].values()):
                    for content in body.get("content", {}).values():
                        _add(content, schemas)


def _add(content: dict[str, Any], schemas: dict[str, Any]) -> None:
    if "example" in content or "examples" in content or "schema" not in content:
        return
    schema = _resolved(content["schema"], schemas)
    # A union gets one example for each of its types, so that a reader sees every form.
    kinds = schema.get("discriminator", {}).get("mapping", {})
    if kinds:
        content["examples"] = {kind: {"value": example({"$ref": ref}, schemas)} for kind, ref in kinds.items()}
    else:
        content["example"] = example(schema, schemas)


def _resolved(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    # An example next to a reference is for this place, and comes before those of the schema.
    while "$ref" in schema and "examples" not in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    return schema


def example(schema: dict[str, Any], schemas: dict[str, Any], name: str = "") -> Any:
    """Return a valid value: a declared example or default, otherwise a short value that the schema accepts.

    ``schemas`` are the document's components; ``name`` is the member's name, which selects a realistic text.
    """
    schema = _resolved(schema, schemas)
    if declared := schema.get("examples") or schema.get("enum"):
        return deepcopy(declared[0])
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        # Null if it is allowed: in answers it means "not known yet" or "absent", which is the usual case.
        is_null = any(choice.get("type") == "null" for choice in choices)
        return None if is_null and name != "payload" else example(choices[0], schemas, name)
    return _of_type(schema, schemas, name)


def _of_type(schema: dict[str, Any], schemas: dict[str, Any], name: str) -> Any:
    kind = schema.get("type")
    if kind == "object":
        required = schema.get("required", ())
        members = schema.get("properties", {}).items()
        return {key: example(of, schemas, key) for key, of in members if key in required or _is_shown(key, of)}
    if kind == "array":
        return [example(schema["items"], schemas, name)] if schema.get("items") else []
    if kind == "string":
        return _BY_FORMAT.get(schema.get("format", "")) or _BY_NAME.get(name) or name.replace("_", " ") or "text"
    return {"integer": schema.get("minimum", 1), "number": 1.5, "boolean": False}.get(kind or "")


def _is_shown(name: str, schema: dict[str, Any]) -> bool:
    """Return whether the example includes an optional member."""
    return name == "payload" or bool(schema.get("examples") or schema.get("default") or schema.get("const"))
