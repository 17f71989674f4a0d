"""A response for JSON that is text already, and one for a client that has disconnected."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_NONE: Final[Mapping[str, str]] = MappingProxyType({})
_TYPE: Final = (b"content-type", b"application/json")


class JsonResponse(Response):
    """A response with a JSON body. It does not call ``Response.__init__``, whose header checks cost time."""

    def __init__(self, text: str, status: int = 200, headers: Mapping[str, str] = _NONE) -> None:
        """``text`` is the JSON. ``headers`` must contain neither Content-Length nor Content-Type."""
        self.status_code = status
        self.background = None
        self.body = text.encode()
        self.raw_headers = [
            (b"content-length", b"%d" % len(self.body)),
            _TYPE,
            *((name.lower().encode(), value.encode()) for name, value in headers.items()),
        ]


class NoResponse(Response):
    """The answer to a client that has disconnected. It sends nothing; the request log shows 499."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send nothing."""
