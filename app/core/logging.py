"""Logs: one JSON object on each line of stderr, without credentials."""

import asyncio
import json
import logging
import os
import re
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from time import time
from types import TracebackType
from typing import Any, ClassVar, Final, TextIO

from pydantic_core import to_json

# Each replacement keeps the part that identifies the credential: the public id of an API key, the user in a URL.
_SECRETS: Final = (
    (re.compile(r"(tq_(?:live|test)_[0-9A-Za-z]{1,12})[0-9A-Za-z_]*"), r"\1…"),
    (re.compile(r"whsec_[0-9A-Za-z+/=_-]+"), "whsec_…"),
    (re.compile(r"eyJ[0-9A-Za-z_-]{6,}(?:\.[0-9A-Za-z_-]*){0,2}"), "jwt…"),
    (re.compile(r"(://[^:/@\s]*):[^@/\s]+@"), r"\1:…@"),
)
_HOST: Final = socket.gethostname()
_BLANK: Final = vars(logging.makeLogRecord({"levelno": logging.INFO, "levelname": "INFO"}))
_STANDARD: Final = frozenset(_BLANK) | {"message", "asctime", "color_message"}


def redact(text: str) -> str:
    """Return ``text`` without API keys, webhook secrets, tokens and passwords in URLs."""
    if not _is_marked(text):
        return text
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def _is_marked(text: str) -> bool:
    # Almost no text has one of these. Four searches for a substring take less than half the time of one pattern.
    return "tq_" in text or "whsec_" in text or "eyJ" in text or "://" in text


def _clean(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {redact(str(name)): _clean(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(one) for one in value]
    return redact(str(value))


_line: Final = json.JSONEncoder(default=str, ensure_ascii=False).encode
_compact: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class _Line(logging.LogRecord):
    """A log record without the place in the code and the thread, which ``LogRecord`` looks up and no line shows."""

    facts: Mapping[str, str | float | None]

    def __init__(self, logger: str, message: str, facts: Mapping[str, str | float | None]) -> None:
        # All attributes of a LogRecord, because other formatters may read them.
        self.__dict__ = {**_BLANK, **facts, "name": logger, "msg": message, "created": time(), "facts": facts}


def write(logger: logging.Logger, message: str, facts: Mapping[str, str | float | None]) -> None:
    """Write a line as ``logger.info`` does with ``extra``, at a fraction of the cost. For lines of every request.

    The values of ``facts`` are texts, numbers or ``None``, which is left out. Call it on an event loop: the lines of
    one turn of the loop are written together.
    """
    if not logger.isEnabledFor(logging.INFO):
        return
    line = _Line(logger.name, message, facts)
    if (lines := LineHandler.of_process) is None:
        logger.handle(line)
    else:
        lines.write_soon(line)


@lru_cache(maxsize=2)
def _second(whole: int) -> str:
    return datetime.fromtimestamp(whole, UTC).isoformat().removesuffix("+00:00")


def _moment(created: float) -> str:
    """Return a time in milliseconds, in ISO format. The part up to the second is cached: many lines share it."""
    whole = int(created)
    return f"{_second(whole)}.{int((created - whole) * 1000):03}+00:00"


@lru_cache(maxsize=32)
def _middle(service: str, pid: int, logger: str, message: str) -> str:
    """Return what stands between the time and the facts of a line that ``write`` writes."""
    names = {"level": "INFO", "service": service, "host": _HOST, "pid": pid, "logger": logger, "message": message}
    return _compact(names)[1:-1]


def say(message: str, _stream: Any = None) -> None:
    """Write a line at once, without a lock. For signal handlers, which may interrupt another line's writing."""
    record = logging.makeLogRecord({"name": __name__, "levelno": logging.INFO, "levelname": "INFO", "msg": message})
    with suppress(OSError):
        os.write(sys.stderr.fileno(), f"{JsonLine().format(record)}\n".encode())


def _log_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
    else:
        logging.getLogger(__name__).critical("the process ends", exc_info=(kind, error, traceback))


class JsonLine(logging.Formatter):
    """Formats a record as one line of JSON without credentials.

    The line has time, level, service, host, pid, logger, message, the extra fields and the traceback.
    """

    service: ClassVar[str] = "unknown"

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        if isinstance(record, _Line):
            extras = {name: value for name, value in record.facts.items() if value is not None}
            # The first facts of these lines differ in the time alone, so the rest of them is kept as text.
            middle = _middle(self.service, os.getpid(), record.name, record.msg)
            rest = f",{to_json(extras)[1:].decode()}" if extras else "}"
            line = f'{{"time":"{_moment(record.created)}",{middle}{rest}'
        else:
            extras = self._extras(record)
            line = _line(self._facts(record) | extras)
        # Nearly every line is clean, and one search of the whole line shows it. Any other line is cleaned value by
        # value, so that it stays valid JSON.
        return _line(_clean(self._facts(record) | extras)) if _is_marked(line) else line

    def _facts(self, record: logging.LogRecord) -> dict[str, Any]:
        return {
            "time": _moment(record.created),
            "level": record.levelname,
            "service": self.service,
            "host": _HOST,
            # Read each time: the process may be a child that was forked after logging was configured.
            "pid": os.getpid(),
            "logger": record.name,
            "message": record.getMessage(),
        }

    def _extras(self, record: logging.LogRecord) -> dict[str, Any]:
        extras = {name: value for name, value in vars(record).items() if name not in _STANDARD and value is not None}
        if record.exc_info:
            extras["traceback"] = record.exc_text or self.formatException(record.exc_info)
        if record.stack_info:
            extras["stack"] = record.stack_info
        return extras


class LineHandler(logging.StreamHandler[TextIO]):
    """Writes lines to stderr: one system call for the lines that ``write`` adds in one turn of an event loop."""

    of_process: ClassVar["LineHandler | None"] = None
    """The handler of this process, once logging is configured."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[str] = []
        # Whose next turn writes what waits. A loop may be blocked by a task's code, so another one does not rely on it.
        self._loop: asyncio.AbstractEventLoop | None = None

    def write_soon(self, line: _Line) -> None:
        """Write a line when the running loop turns next, or before the next line of anybody."""
        loop, text = asyncio.get_running_loop(), f"{self.format(line)}\n"
        self.acquire()
        try:
            self._waiting.append(text)
            if self._loop is not loop:
                self._loop = loop
                loop.call_soon(self.flush)
        finally:
            self.release()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line at once, after those that wait."""
        if self._waiting:
            self.flush()
        super().emit(record)

    def flush(self) -> None:
        """Write what waits. It is called at the end of the process, too. What cannot be written is lost."""
        self.acquire()
        try:
            waiting, self._waiting, self._loop = self._waiting, [], None
            # A full disk or a closed pipe must not fail the code that writes the next line. All handlers of logging
            # are like that.
            with suppress(OSError, ValueError):
                if waiting:
                    self.stream.write("".join(waiting))
                super().flush()
        finally:
            self.release()

    def forget(self) -> None:
        """Drop what waits."""
        self._waiting, self._loop = [], None


def _forget_parent() -> None:
    """Drop what waits in a process that was just forked: the parent writes it."""
    if LineHandler.of_process is not None:
        LineHandler.of_process.forget()


os.register_at_fork(after_in_child=_forget_parent)


def is_uvicorn_set_up() -> bool:
    """Return whether uvicorn has configured its own logging. It does so before it imports the app."""
    return bool(logging.getLogger("uvicorn").handlers)


def configure(level: str | int, *, service: str) -> None:
    """Make this the only logging of the process, also for uvicorn. uvicorn's access log, which has queries, ends.

    ``service`` names the kind of process in each line: ``api``, ``worker``, ``dispatcher`` or ``webhooks``.
    """
    JsonLine.service = service
    sys.excepthook = _log_uncaught
    # No line shows a thread or process name. Not looking for them halves the cost of a line.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    LineHandler.of_process = handler = LineHandler()
    handler.setFormatter(JsonLine())
    logging.basicConfig(level=level.upper() if isinstance(level, str) else level, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = name != "uvicorn.access"
