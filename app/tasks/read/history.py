"""Tell what has happened to a task, from its stored rows, and resume after any point of it (pure)."""

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from struct import Struct
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID

from app.events import cursor
from app.events.reader import timestamp
from app.events.types import EventType
from app.tasks.status import FINAL

_compact: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_STRUCT: Final = Struct(">iBi8s")
_NO_HASH: Final = bytes(8)
MAX_LINES: Final = 100
"""The most log lines of one read. A line has at most 2,000 characters."""
_ALL_LINES: Final = 2**31 - 1

# What happens in one attempt, in this order. Log lines and progress come while it runs.
_CREATED: Final = 0
_RUNNING: Final = 1
_ENDED: Final = 2
_TASK_ENDED: Final = 3

_ENDS: Final = {kind.task_status: kind for kind in EventType if kind.is_about_a_task}


class Point(NamedTuple):
    """A point in the history of a task: how far its attempts, log lines and progress were read."""

    attempt: int
    stage: int
    line: int = 0
    """Number of the last log line of this attempt."""
    report: bytes = _NO_HASH
    """A hash of the last progress report of this attempt."""

    @property
    def is_end(self) -> bool:
        """Return whether nothing follows it."""
        return self.stage == _TASK_ENDED

    @property
    def last_line(self) -> tuple[int, int]:
        """Return attempt and number of the last log line. An attempt that has ended has no more lines."""
        return max(self.attempt, 0), self.line if self.stage <= _RUNNING else _ALL_LINES

    def precedes(self, attempt: int, stage: int) -> bool:
        """Return whether a reader who has read up to this point has not read a stage of an attempt."""
        return (self.attempt, self.stage) < (attempt, stage)


BEGINNING: Final = Point(-1, _CREATED)


class HistoryEntry(NamedTuple):
    """One thing that has happened to a task, as JSON, and the point after it."""

    point: Point
    text: str

    def cursor(self, tenant_id: UUID, task_id: UUID) -> str:
        """Return the cursor with which a reader goes on after it."""
        return encode(tenant_id, task_id, self.point)


def encode(tenant_id: UUID, task_id: UUID, point: Point) -> str:
    """Return the cursor of a point."""
    return cursor.seal(_owner(tenant_id, task_id), _STRUCT.pack(*point))


def decode(tenant_id: UUID, task_id: UUID, text: str) -> Point:
    """Return the point of a cursor. Raises ``InvalidCursor`` if it was not made for this task."""
    position = cursor.unseal(_owner(tenant_id, task_id), text)
    if len(position) != _STRUCT.size:
        raise cursor.refused()
    return Point(*_STRUCT.unpack(position))


def _owner(tenant_id: UUID, task_id: UUID) -> bytes:
    return b"task" + tenant_id.bytes + task_id.bytes


def after(task_id: UUID, row: Mapping[str, Any], point: Point) -> list[HistoryEntry]:
    """Return what has happened to a task after a point. ``row`` is one of ``histories_any_tenant``.

    If the row has ``MAX_LINES`` log lines, there may be more of them. Then nothing that follows them is returned.
    """
    found = []
    for reached, kind, at, data in _happened(row, point):
        named = {"type": kind, "created_at": at, "data": {"task_id": str(task_id), **data}}
        found.append(HistoryEntry(reached, _compact(named)))
    return found


_Happened: TypeAlias = tuple[Point, str, str | None, Mapping[str, Any]]
"""The point after it, its type, its time, and its facts."""


def _happened(row: Mapping[str, Any], point: Point) -> Iterator[_Happened]:
    if point.precedes(0, _CREATED):
        point = Point(0, _CREATED)
        yield point, "task.created", timestamp(row["created_at"]), _created(row)
    for attempt in row["attempts"]:
        number = attempt["attempt"]
        if point.precedes(number, _RUNNING):
            point = Point(number, _RUNNING)
            yield point, "attempt.started", attempt["started_at"], {"attempt": number, "status": "STARTED"}
        if (point.attempt, point.stage) == (number, _RUNNING):
            for happened in _while_running(row, point):
                point = happened[0]
                yield happened
            if _has_more_lines(row, number):
                return
        if attempt["finished_at"] and point.precedes(number, _ENDED):
            point = Point(number, _ENDED)
            ended = {name: attempt[name] for name in ("attempt", "status", "error")}
            yield point, "attempt.ended", attempt["finished_at"], ended
    if row["status"] in FINAL and point.precedes(row["attempt"], _TASK_ENDED):
        kind = _ENDS[row["status"]]
        yield Point(row["attempt"], _TASK_ENDED), kind, timestamp(row["finished_at"]), _task_ended(row)


def _while_running(row: Mapping[str, Any], point: Point) -> Iterator[_Happened]:
    """Yield the log lines and the progress of an attempt after a point of it."""
    for line in row["lines"]:
        if line["attempt"] == point.attempt:
            point = point._replace(line=line["seq"])
            facts = {name: line[name] for name in ("attempt", "seq", "level", "message", "fields")}
            yield point, "task.log", line["at"], facts
    # Only the latest report of the latest attempt is stored.
    if point.attempt == row["attempt"] and row["progress"] and not _has_more_lines(row, point.attempt):
        # A hash, because reports have no number: a reader that resumes must not get the same report again.
        report = sha256(row["progress"].encode()).digest()[: len(_NO_HASH)]
        if report != point.report:
            facts = {"attempt": point.attempt, "progress": json.loads(row["progress"])}
            yield point._replace(report=report), "task.progress", None, facts


def _has_more_lines(row: Mapping[str, Any], attempt: int) -> bool:
    return len(row["lines"]) == MAX_LINES and row["lines"][-1]["attempt"] == attempt


def _created(row: Mapping[str, Any]) -> dict[str, Any]:
    scheduled_at = row["scheduled_at"] and timestamp(row["scheduled_at"])
    return {"task": row["task"], "status": "PENDING", "tags": json.loads(row["tags"]), "scheduled_at": scheduled_at}


def _task_ended(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of the end, which are those of its event in the feed."""
    return {
        "task": row["task"],
        "status": row["status"],
        "attempt_count": row["attempt"],
        "tags": json.loads(row["tags"]),
        "error": row["error"] and json.loads(row["error"]),
        "flow_id": None,
        "schedule_id": None,
    }
