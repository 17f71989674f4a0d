"""A response for JSON that is text already, and one for a client that has disconnected."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.http import whole_answer

_NONE: Final[Mapping[str, str]] = MappingProxyType({})
_TYPE: Final = (b"content-type", b"application/json")


class JsonResponse(Response):
    """A response with a JSON body. It does not call ``Response.__init__``, whose header checks cost time."""

    def __init__(self, text: str | bytes, status: int = 200, headers: Mapping[str, str] = _NONE) -> None:
        """``text`` is the JSON, in UTF-8. ``headers`` must contain neither Content-Length nor Content-Type."""
        self.status_code = status
        self.background = None
        self.body = text.encode() if isinstance(text, str) else text
        self.raw_headers = [
            (b"content-length", b"%d" % len(self.body)),
            _TYPE,
            *((name.lower().encode(), value.encode()) for name, value in headers.items()),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response, in one message where the server takes it."""
        if whole_answer.of(scope) is None:
            await super().__call__(scope, receive, send)
        else:
            headers, body = self.raw_headers, self.body
            await send({"type": whole_answer.NAME, "status": self.status_code, "headers": headers, "body": body})


class NoResponse(Response):
    """The answer to a client that has disconnected. It sends nothing; the request log shows 499."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send nothing."""
