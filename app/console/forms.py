"""Read the forms of the console, and protect them against requests that other sites make (CSRF)."""

import hmac
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from app.console import texts
from app.core.errors import InsufficientScope, InvalidRequest, MalformedBody, PayloadTooLarge, UnsupportedMediaType

FIELD: Final = "csrf"
SMALL: Final = 16_384
LARGE: Final = 2_097_152
"""Bytes of a form with a payload: it may be 1 MiB, and each byte of it may take three in a form."""
_MAX_FIELDS: Final = 1_200
_TYPE: Final = "application/x-www-form-urlencoded"


class Form:
    """The fields of a form, by name."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        """``fields`` are in the order of the form."""
        self._fields = fields

    def get(self, name: str, default: str = "") -> str:
        """Return the first value of a field, without spaces around it."""
        return next((value.strip() for key, value in self._fields if key == name), default)

    def raw(self, name: str) -> str:
        """Return the first value of a field as it was sent."""
        return next((value for key, value in self._fields if key == name), "")

    def all(self, name: str) -> list[str]:
        """Return all values of a field that are not empty."""
        return [value for key, value in self._fields if key == name and value]

    def under(self, prefix: str) -> Mapping[str, str]:
        """Return the fields whose names begin with a prefix, by the rest of their names."""
        return {key.removeprefix(prefix): value for key, value in self._fields if key.startswith(prefix)}


def token(cookie: str) -> str:
    """Return the value that every form must send: only pages of the console know it."""
    # Made from the cookie, so that nothing has to be stored, and a page of another site cannot compute it.
    return hmac.digest(cookie.encode(), b"console form", "sha256").hex()


async def read(request: Request, cookie: str, *, limit: int = SMALL) -> Form:
    """Return the form of a request.

    Raises ``InsufficientScope`` if another site may have made the request, ``UnsupportedMediaType``,
    ``PayloadTooLarge`` beyond ``limit`` bytes, ``MalformedBody`` and ``InvalidRequest``.
    """
    # Browsers say which site made a request, and no page can change it. The token protects older ones as well.
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise _refused()
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise UnsupportedMediaType(f"Send the form as {_TYPE}.")
    form = _parse(await _body(request, limit))
    if not hmac.compare_digest(form.get(FIELD).encode(), token(cookie).encode()):
        raise _refused()
    return form


def _parse(body: bytes) -> Form:
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except UnicodeDecodeError:
        raise MalformedBody("The form is not UTF-8.") from None
    except ValueError:
        raise InvalidRequest("The form has too many fields.") from None
    texts.require_storable(fields)
    return Form(fields)


async def _body(request: Request, limit: int) -> bytes:
    raw = bytearray()
    try:
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > limit:
                raise PayloadTooLarge(f"The form is larger than {limit} bytes.")
    except ClientDisconnect:
        raise MalformedBody("The form ended before it was complete.") from None
    return bytes(raw)


def _refused() -> InsufficientScope:
    return InsufficientScope("This form is of another session, or was not sent by the console. Open the page again.")
