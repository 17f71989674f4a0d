"""The API's own document, where FastAPI alone does not say all."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI


def without_null_defaults(described: dict[str, Any]) -> dict[str, Any]:
    """Take ``default: null`` from what may be null: a generated program would send each member that it lacks."""
    _drop_null_defaults(described)
    return described


def _drop_null_defaults(part: Any) -> None:
    if isinstance(part, dict):
        if part.get("default", ...) is None and any(one.get("type") == "null" for one in part.get("anyOf", [])):
            del part["default"]
        for value in part.values():
            _drop_null_defaults(value)
    elif isinstance(part, list):
        for value in part:
            _drop_null_defaults(value)


def amend(app: FastAPI, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Let ``change`` have the OpenAPI document before it is first served; what it returns is the document."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        return app.openapi_schema or change(generate())

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way
