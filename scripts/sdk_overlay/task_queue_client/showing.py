"""Answers as text, for the command line."""

import dataclasses
import json
from typing import Any

from . import writing
from .models import TaskLogEntry


def as_json(value: Any, indent: int | None = 2) -> str:
    """Return an answer as JSON."""
    plain = dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value
    return json.dumps(plain, default=writing.plain, ensure_ascii=False, indent=indent)


def log_line(line: TaskLogEntry) -> str:
    """Return a line of a log."""
    fields = f" {as_json(line.fields, indent=None)}" if line.fields else ""
    return f"{line.at.isoformat()} {line.level} attempt {line.attempt}: {line.message}{fields}"
