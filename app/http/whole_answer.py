"""An ASGI extension: the application hands over a whole response, and the server writes it at once.

uvicorn takes a response in two messages, and searches each name and value of a header by a pattern: a sixth of the cost
of a short call. A server with the extension has a function in ``scope["extensions"]``. Then ``JsonResponse`` sends one
message of the type ``NAME``, with ``status``, ``headers`` and ``body``, and ``RequestLog`` calls the function.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from starlette.responses import Response
from starlette.types import Scope

NAME: Final = "http.response.whole"

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]
Answer: TypeAlias = Callable[[int, Headers, bytes], bool]
"""Writes status, headers (with Content-Length) and body. False: the client does not read now, so use ``send``."""

Ready: TypeAlias = Callable[[Scope], Response | None]
"""Returns the response to a request if no ``await`` is needed for it."""


def of(scope: Scope) -> Answer | None:
    """Return the server's function, or None if the server does not have this extension."""
    extensions: dict[str, Any] = scope.get("extensions") or {}
    return extensions.get(NAME)
