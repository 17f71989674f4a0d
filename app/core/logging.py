"""Logs: one JSON object a line on stderr, with every credential taken out."""

import json
import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

# Each keeps as much as tells which credential it was: an API key its public id, a URL its user.
_SECRETS: Final = (
    (re.compile(r"(tq_(?:live|test)_[0-9A-Za-z]{1,12})[0-9A-Za-z_]*"), r"\1…"),
    (re.compile(r"whsec_[0-9A-Za-z+/=_-]+"), "whsec_…"),
    (re.compile(r"eyJ[0-9A-Za-z_-]{6,}(?:\.[0-9A-Za-z_-]*){0,2}"), "jwt…"),
    (re.compile(r"(://[^:/@\s]*):[^@/\s]+@"), r"\1:…@"),
)
# Nearly every text has none of these, and one search tells.
_MARKS: Final = re.compile(r"tq_|whsec_|eyJ|://")
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


def redact(text: str) -> str:
    """Return ``text`` without API keys, webhook secrets, tokens and passwords in URLs."""
    if not _MARKS.search(text):
        return text
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def _clean(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {redact(str(name)): _clean(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(one) for one in value]
    return redact(str(value))


_line: Final = json.JSONEncoder(default=str, ensure_ascii=False).encode


class JsonLine(logging.Formatter):
    """Formats a record as one line of JSON: time, level, logger, message, the extras, the traceback; no credentials."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        facts = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        facts |= {name: value for name, value in vars(record).items() if name not in _STANDARD and value is not None}
        if record.exc_info:
            facts["traceback"] = record.exc_text or self.formatException(record.exc_info)
        if record.stack_info:
            facts["stack"] = record.stack_info
        line = _line(facts)
        # Nearly every line is clean, and one search tells; what is not is cleaned part by part, and stays JSON.
        return _line(_clean(facts)) if _MARKS.search(line) else line


def configure(level: str) -> None:
    """Make this the process's only logging; uvicorn's loggers join it, but its access log, which has queries, ends."""
    # No line names a thread or the place of its call: not looking for them halves the cost of a line.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLine())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = name != "uvicorn.access"
