"""Responses whose JSON is already text."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from starlette.responses import Response

_NONE: Final[Mapping[str, str]] = MappingProxyType({})
_TYPE: Final = (b"content-type", b"application/json")


class JsonResponse(Response):
    """A response with JSON. It skips the checks of headers in ``Response``, which cost time."""

    def __init__(self, text: str, status: int = 200, headers: Mapping[str, str] = _NONE) -> None:
        """``headers`` are the ones in addition to the length and the type."""
        self.status_code = status
        self.background = None
        self.body = text.encode()
        self.raw_headers = [
            (b"content-length", b"%d" % len(self.body)),
            _TYPE,
            *((name.lower().encode(), value.encode()) for name, value in headers.items()),
        ]
