"""Decide what the answer to a request means for its task, and turn it into a result (pure)."""

import json
import re
from collections.abc import Sequence
from http import HTTPStatus
from math import isfinite
from typing import Any, Final, Literal

from pydantic import JsonValue

from app.core import sanitize
from app.tasks import TaskFailure

# Of the 4xx, only these say that the same request may succeed later.
_TRIED_AGAIN: Final = frozenset({408, 425, 429})
_SERVER_ERROR: Final = 500
_REDIRECT: Final = range(300, 400)
# Of the body, in the message of an error. The whole message has 2,000 characters.
_MAX_EXCERPT: Final = 500
_MAX_DEPTH: Final = 100
# Any other name is read as UTF-8: Python knows codecs that take long, or that change more than the spelling.
_CHARSETS: Final = frozenset({"us-ascii", "iso-8859-1", "windows-1252", "utf-16", "utf-8"})
# Read by hand: the parser of the standard library raises for some headers, and the receiver chooses what it sends.
_CHARSET: Final = re.compile(r";\s*charset\s*=\s*\"?([a-z0-9_-]+)", re.IGNORECASE | re.ASCII)

Verdict = Literal["success", "again", "failure"]


class HttpStatusError(TaskFailure):
    """The endpoint answered with a status that is no success."""


class HttpConnectionError(TaskFailure):
    """There was no whole answer."""


class HttpAnswerTooLarge(TaskFailure):
    """The answer has more bytes than the tenant's plan keeps of a result."""


def verdict(status: int, success: Sequence[str]) -> Verdict:
    """Return what follows a status. ``success`` are patterns such as ``204`` and ``2xx``."""
    text = str(status)
    if text in success or f"{text[0]}xx" in success:
        return "success"
    return "again" if status in _TRIED_AGAIN or status >= _SERVER_ERROR else "failure"


def status_error(status: int, content: dict[str, Any]) -> HttpStatusError:
    """Return the error of an answer that is no success, with the beginning of its body."""
    told = f"The endpoint answered with status {status}{_phrase(status)}."
    if status in _REDIRECT:
        told += " Redirects are not followed: use the URL that it leads to."
    text = content["text"] if "text" in content else json.dumps(content["json"], ensure_ascii=False)
    # In quotes and on one line, so that answers that differ in their details are the same error (fingerprint).
    excerpt = " ".join(text[: 2 * _MAX_EXCERPT].replace("`", "'").split())[:_MAX_EXCERPT]
    return HttpStatusError(f"{told} The answer begins: `{excerpt}`" if excerpt else told)


def _phrase(status: int) -> str:
    try:
        return f" ({HTTPStatus(status).phrase})"
    except ValueError:
        return ""


def content(content_type: str | None, body: bytes) -> dict[str, Any]:
    """Return the body as ``{"json": …}`` if its type says so and it can be stored, else as ``{"text": …}``."""
    media, _, parameters = (content_type or "").partition(";")
    media = media.strip().lower()
    if media == "application/json" or media.endswith("+json"):
        try:
            return {"json": _read_json(body)}
        except (ValueError, RecursionError):
            # It is shown as it came.
            pass
    named = _CHARSET.search(f";{parameters}")
    charset = named[1].lower() if named else "utf-8"
    text = body.decode(charset if charset in _CHARSETS else "utf-8", errors="replace")
    # Postgres stores no NUL. Neither does it store half of a surrogate pair, and no codec here makes one.
    return {"text": text.replace("\0", "\N{REPLACEMENT CHARACTER}")}


def _read_json(body: bytes) -> JsonValue:
    """Return a JSON value that can be stored. Raises ``ValueError`` or ``RecursionError`` for any other body."""
    value: JsonValue = json.loads(body, parse_constant=_refuse, parse_float=_finite)
    text = json.dumps(value, ensure_ascii=False)
    # A string with half of a surrogate pair cannot be encoded, nor stored by Postgres.
    text.encode()
    if sanitize.holds_nul(text) or _is_deep(value):
        raise ValueError
    return value


def _refuse(_: str) -> float:
    raise ValueError


def _finite(digits: str) -> float:
    if not isfinite(number := float(digits)):
        raise ValueError
    return number


def _is_deep(value: JsonValue) -> bool:
    level: list[JsonValue] = [value]
    for _ in range(_MAX_DEPTH):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(value: JsonValue) -> Sequence[JsonValue]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else ()
