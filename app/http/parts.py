"""The objects of a running API process that its routes use, collected in one typed object.

Each room with routes declares the parts that it uses in a subclass of ``Parts``. ``app.api_parts`` combines them all.
"""

from dataclasses import dataclass
from typing import Any, Self

from fastapi import FastAPI
from starlette.requests import Request

from app.http.list_limit import ListLimit


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The parts that the routes of every room use."""

    list_limit: ListLimit
    cursor_key: bytes
    """The key that signs the cursors of lists."""

    @classmethod
    def of(cls, request: Request) -> Self:
        """Return the parts of the app that answers the request."""
        return cls.of_app(request.scope["app"])

    @classmethod
    def of_app(cls, app: Any) -> Self:
        """Return the parts of an app."""
        parts: Self = app.parts
        return parts

    def attach(self, app: FastAPI) -> None:
        """Store the parts in an app, where its routes find them."""
        app.parts = self  # type: ignore[attr-defined]  # ``of`` has its type
