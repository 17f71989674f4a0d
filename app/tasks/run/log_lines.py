"""The lines that a task's code logs: made storable, and bounded (pure)."""

import json
import logging
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from app.core import sanitize

MAX_BYTES: Final = 64 * 1024
"""Bytes of messages and fields that are kept of one attempt."""
MAX_MESSAGE: Final = 2_000
"""Characters of a message, with the traceback of an error."""
MAX_FIELDS: Final = 2_048
"""Bytes of the fields of one line, as JSON."""
MAX_NAME: Final = 128
"""Characters of the name of a field."""

_DROPPED_FIELDS: Final = f'{{"dropped": "fields over {MAX_FIELDS} bytes, or with NUL, NaN or half a surrogate pair"}}'
_LEVELS: Final = ((50, "CRITICAL"), (40, "ERROR"), (30, "WARNING"), (20, "INFO"), (0, "DEBUG"))


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line. ``fields`` is the text of a JSON object, or None."""

    seq: int
    """Its number within the attempt, from 1."""
    at: datetime
    level: str
    message: str
    fields: str | None

    @property
    def size(self) -> int:
        """Return how many bytes of the attempt's bound the line uses."""
        return len(self.message.encode()) + len(self.fields or "")


def level_name(level: int) -> str:
    """Return the name of the highest standard level that is not above ``level``."""
    return next((name for lowest, name in _LEVELS if level >= lowest), "DEBUG")


def message(template: object, arguments: tuple[Any, ...], error: BaseException | None) -> str:
    """Return the text of a line, as ``logging`` formats it, followed by the traceback of ``error``.

    A template that does not fit its arguments is shown with them: to log must never fail.
    """
    text = _formatted(template, arguments)
    if error is not None:
        # The end of a traceback says what happened, so the beginning is cut.
        text = f"{text[:500]}\n{_traceback(error)[-(MAX_MESSAGE - 501) :]}"
    return sanitize.text(text, MAX_MESSAGE)


def fields(extra: object) -> str | None:
    """Return the fields of a line as a JSON object; None without any. Values that are no JSON are shown as text."""
    if not isinstance(extra, Mapping) or not extra:
        return None
    try:
        named = {sanitize.text(str(name), MAX_NAME): value for name, value in extra.items()}
        text = json.dumps(named, default=str, allow_nan=False, ensure_ascii=False)
        size = len(text.encode())
    # Half a surrogate pair is a ValueError too, as NaN is.
    except sanitize.UNREADABLE:
        return _DROPPED_FIELDS
    return _DROPPED_FIELDS if size > MAX_FIELDS or sanitize.holds_nul(text) else text


def dropped(count: int) -> str:
    """Return the message of the line that stands for those that were dropped."""
    return f"{count} more lines were dropped: see log_lines of your limits; an attempt keeps {MAX_BYTES // 1024} KiB"


def _formatted(template: object, arguments: tuple[Any, ...]) -> str:
    try:
        return logging.LogRecord("", 0, "", 0, template, arguments, None).getMessage()
    except sanitize.UNREADABLE:
        try:
            return f"{template} {arguments}"
        except sanitize.UNREADABLE:
            return "(this message cannot be read)"


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error)).rstrip()
    except sanitize.UNREADABLE:
        return type(error).__name__
