"""The API's own document, where FastAPI alone does not say all."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI


def amend(app: FastAPI, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Let ``change`` have the OpenAPI document before it is first served; what it returns is the document."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        return app.openapi_schema or change(generate())

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way
