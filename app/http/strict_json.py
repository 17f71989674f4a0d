"""Read JSON bodies strictly: a value that cannot be stored and returned unchanged is refused here."""

import json
import re
from collections.abc import Mapping, Sequence
from email.message import Message
from math import isfinite
from typing import Any, Final, Generic, NamedTuple, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.types import Receive

from app.core import sanitize
from app.core.errors import InvalidRequest, MalformedBody, PayloadTooLarge, UnsupportedMediaType
from app.http import problem

M = TypeVar("M", bound=BaseModel)

MAX_BODY_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 32
# Compared by exact type, which is fast: the decoder makes no subclasses.
_CONTAINERS: Final = frozenset({dict, list})
# A media type that no request may have: it stands for a missing or ambiguous Content-Type.
_NO_TYPE: Final = b"none/none"
_INT64_DIGITS: Final = len(str(-(2**63)))
# Half of a surrogate pair, as an escape. In JSON, escapes occur only within strings.
_HALF_OF_A_PAIR: Final = re.compile(r"\\u[dD][89a-fA-F]")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Readers disagree about which of two values counts, so a proxy and this API could see different requests.
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedBody("An object has a member twice. Send each member once.")
    return members


def _integer(digits: str) -> int:
    # The length is checked first, because converting thousands of digits takes quadratic time.
    if len(digits) > _INT64_DIGITS or not -(2**63) <= (value := int(digits)) < 2**63:
        raise MalformedBody("An integer does not fit in 64 bits. Send it as a string.")
    return value


def _number(digits: str) -> float:
    value = float(digits)
    if not isfinite(value):
        raise MalformedBody("A number is too large for a 64-bit float. Send it as a string.")
    return value


def _constant(_: str) -> float:
    raise MalformedBody("NaN and Infinity are not JSON. Send null or a string.")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_members, parse_int=_integer, parse_float=_number, parse_constant=_constant
)


class TooDeep(MalformedBody):
    """The body nests deeper than the operation takes."""


class Bounds(NamedTuple):
    """The limits of a JSON document."""

    size: int = MAX_BODY_BYTES
    """Bytes."""
    depth: int = MAX_DEPTH
    """Levels of objects and arrays."""
    max_marks: int | None = None
    """Commas and opening brackets (``marks``); None for no limit. An operation with few values sets it: above it, the
    body is refused without being parsed."""


ORDINARY: Final = Bounds()
SMALL: Final = Bounds(size=16 * 1024, max_marks=1_000)
"""Bounds for a known caller's small body: some names and numbers."""
TINY: Final = Bounds(size=4 * 1024, max_marks=1_000)
"""Bounds for the small body of an unknown caller."""


def marks(raw: bytes) -> int:
    """Return the number of commas and opening brackets: it bounds the number of values, and so the cost of parsing."""
    return raw.count(b",") + raw.count(b"{") + raw.count(b"[")


def loads(raw: bytes, max_depth: int = MAX_DEPTH) -> Any:
    """Return the value of a JSON text in UTF-8.

    Raises ``MalformedBody``; its detail names the fault, and repeats nothing of the document.
    """
    text = _decode(raw)
    try:
        document = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        detail = f"The body is not JSON: there is a syntax error in line {error.lineno}, column {error.colno}."
        raise MalformedBody(detail) from None
    except RecursionError:
        raise _too_deep(max_depth) from None
    # A text with few brackets cannot nest too deeply, so most bodies skip the walk through the document.
    if text.count("[") + text.count("{") > max_depth:
        _check_depth(document, max_depth)
    if "\\u" in text:
        _check_escapes(text, document)
    return document


def _decode(raw: bytes) -> str:
    # RFC 8259 (section 8.1) forbids senders to add one. As a syntax error nobody would see it.
    if raw.startswith(b"\xef\xbb\xbf"):
        raise MalformedBody("The body begins with a byte order mark. Send UTF-8 without one.")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise MalformedBody("The body is not UTF-8. Encode it as UTF-8.") from None


def _too_deep(max_depth: int) -> TooDeep:
    return TooDeep(f"The body nests deeper than {max_depth} levels. Flatten it.")


def _check_depth(document: Any, max_depth: int) -> None:
    # Level by level and not by recursion, which would exhaust the stack with a deep document.
    level = [document] if type(document) in _CONTAINERS else []
    for _ in range(max_depth):
        level = [
            value
            for one in level
            for value in (one.values() if type(one) is dict else one)
            if type(value) in _CONTAINERS
        ]
        if not level:
            return
    raise _too_deep(max_depth)


def _check_escapes(text: str, document: Any) -> None:
    if sanitize.holds_nul(text):
        raise MalformedBody("A string has the character U+0000, which cannot be stored. Remove it.")
    if not _HALF_OF_A_PAIR.search(text):
        return
    try:
        # The decoder has turned whole pairs into characters. If encoding fails now, there is half of a pair.
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise MalformedBody("A string has half of a surrogate pair. Send the character itself, as UTF-8.") from None


class Incoming(Generic[M]):
    """The body of a request. Its handler decides when to receive it (memory) and in which thread to parse it (time)."""

    def __init__(self, request: Request, model: type[M], bounds: Bounds) -> None:
        """``model`` validates the document; ``bounds`` limit its size and depth."""
        self._request = request
        self._model = model
        self.bounds = bounds
        self.raw = b""
        self.document: Any = None
        """The JSON document, once ``read`` has returned."""

    async def receive(self) -> bytes:
        """Receive the body and return its bytes. Raises the errors of ``strict_json.read``."""
        self.raw = await read(self._request, self.bounds)
        return self.raw

    def read(self) -> M:
        """Parse and validate the received body. It is safe to call this in a thread.

        Raises ``MalformedBody`` and ``RequestValidationError``.
        """
        if not self.raw:
            raise RequestValidationError([{"type": "missing", "loc": ("body",), "msg": "Field required"}])
        self.document = loads(self.raw, self.bounds.depth)
        problem.bound_members(self.document, len(self._model.model_fields))
        try:
            # FastAPI validates with the same option, so that all calls describe an error in the same words.
            return self._model.model_validate(self.document, from_attributes=True)
        except ValidationError as error:
            faults = error.errors(include_url=False)[: problem.MAX_FAULTS]
            found = [{**fault, "loc": ("body", *fault["loc"])} for fault in faults]
            raise RequestValidationError(problem.hinted(found, self._model.model_fields)) from None


async def read(request: Request, bounds: Bounds = ORDINARY) -> bytes:
    """Receive the body of a request and return its bytes, which may be empty.

    Raises ``MalformedBody``, ``PayloadTooLarge``, ``UnsupportedMediaType``, and ``InvalidRequest`` for too many values.
    """
    headers = _by_name(request.scope["headers"])
    raw = await _read(headers, request.receive, bounds.size)
    if raw:
        _check_media_type(headers)
        if bounds.max_marks is not None and marks(raw) > bounds.max_marks:
            raise InvalidRequest("The body has far more values than this operation takes. Send only what it documents.")
    return raw


def _by_name(headers: Sequence[tuple[bytes, bytes]]) -> Mapping[bytes, bytes]:
    """Return the value of each header, by its lower-case name.

    Of several headers with one name the first one counts, with two exceptions: two Content-Types count as none,
    because it is unclear which is meant, and Content-Encodings are joined (RFC 9110, 5.3).
    """
    by_name = dict(headers)
    if len(by_name) < len(headers):
        by_name = dict(reversed(headers))
        if sum(name == b"content-type" for name, _ in headers) > 1:
            by_name[b"content-type"] = _NO_TYPE
        if encodings := [value for name, value in headers if name == b"content-encoding"]:
            by_name[b"content-encoding"] = b", ".join(encodings)
    return by_name


async def _read(headers: Mapping[bytes, bytes], receive: Receive, max_bytes: int) -> bytes:
    if (encoding := headers.get(b"content-encoding")) and encoding.strip().lower() != b"identity":
        raise UnsupportedMediaType("The body has a Content-Encoding. Send it without one.")
    # Refused by the announced length if there is one, so that a large body is not even received. The number of digits
    # comes first, because a header may have thousands of them.
    announced = headers.get(b"content-length", b"0")
    if announced.isdigit() and (len(announced) > len(str(max_bytes)) or int(announced) > max_bytes):
        raise _too_large(max_bytes)
    raw, is_whole = bytearray(), False
    while not is_whole:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise MalformedBody("The body is shorter than its headers announce. Send all of it.")
        raw += message.get("body", b"")
        if len(raw) > max_bytes:
            raise _too_large(max_bytes)
        is_whole = not message.get("more_body")
    return bytes(raw)


def _too_large(max_bytes: int) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"The body is larger than {max_bytes} bytes. Store large data elsewhere, and send its address."
    )


def _check_media_type(headers: Mapping[bytes, bytes]) -> None:
    # Most clients send exactly this, so the slow parser of headers is not needed.
    given = headers.get(b"content-type", _NO_TYPE)
    if given == b"application/json":
        return
    message = Message()
    message["content-type"] = given.decode("latin-1")
    charset = message.get_param("charset", "utf-8")
    if message.get_content_type() != "application/json" or str(charset).lower() not in {"utf-8", "utf8"}:
        raise UnsupportedMediaType("Send the body as JSON, in UTF-8, with the header Content-Type: application/json.")
