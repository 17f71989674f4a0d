"""Tell what has happened to a task, from its stored rows, and resume after any point of it (pure)."""

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from struct import Struct
from typing import Any, Final, NamedTuple
from uuid import UUID

from app.events import cursor
from app.events.reader import timestamp
from app.events.types import EventType
from app.tasks.status import FINAL

_compact: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_STRUCT: Final = Struct(">iB8s")
_NO_HASH: Final = bytes(8)

# The order of what happens in one attempt. 2 is reserved for log lines.
_CREATED: Final = 0
_STARTED: Final = 1
_PROGRESS: Final = 3
_ENDED: Final = 4
_TASK_ENDED: Final = 5

_ENDS: Final = {kind.task_status: kind for kind in EventType}


class Point(NamedTuple):
    """A point in the history of a task. Progress reports of an attempt are one point, with different hashes."""

    attempt: int
    stage: int
    hash: bytes = _NO_HASH

    @property
    def is_end(self) -> bool:
        """Return whether nothing follows it."""
        return self.stage == _TASK_ENDED

    def precedes(self, other: "Point") -> bool:
        """Return whether a reader who has read up to this point has not read the other one."""
        if (self.attempt, self.stage) == (other.attempt, other.stage):
            return self.stage == _PROGRESS and self.hash != other.hash
        return (self.attempt, self.stage) < (other.attempt, other.stage)


BEGINNING: Final = Point(-1, _CREATED)


class HistoryEntry(NamedTuple):
    """One thing that has happened to a task, as JSON."""

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
    """Return what has happened to a task after a point. ``row`` is one of ``histories_any_tenant``."""
    return [entry for entry in _entries(task_id, row) if point.precedes(entry.point)]


def _entries(task_id: UUID, row: Mapping[str, Any]) -> Iterator[HistoryEntry]:
    scheduled_at = row["scheduled_at"] and timestamp(row["scheduled_at"])
    created = {"task": row["task"], "status": "PENDING", "tags": json.loads(row["tags"]), "scheduled_at": scheduled_at}
    yield _entry(task_id, Point(0, _CREATED), "task.created", timestamp(row["created_at"]), created)
    for attempt in row["attempts"]:
        number = attempt["attempt"]
        started = {"attempt": number, "status": "STARTED"}
        yield _entry(task_id, Point(number, _STARTED), "attempt.started", attempt["started_at"], started)
        # Only the latest report of the latest attempt is stored.
        if number == row["attempt"] and row["progress"]:
            report = {"attempt": number, "progress": json.loads(row["progress"])}
            digest = sha256(row["progress"].encode()).digest()[:8]
            yield _entry(task_id, Point(number, _PROGRESS, digest), "task.progress", None, report)
        if attempt["finished_at"]:
            ended = {name: attempt[name] for name in ("attempt", "status", "error")}
            yield _entry(task_id, Point(number, _ENDED), "attempt.ended", attempt["finished_at"], ended)
    if row["status"] in FINAL:
        ended = {
            "task": row["task"],
            "status": row["status"],
            "attempt_count": row["attempt"],
            "tags": created["tags"],
            "error": row["error"] and json.loads(row["error"]),
            "flow_id": None,
            "schedule_id": None,
        }
        point = Point(row["attempt"], _TASK_ENDED)
        yield _entry(task_id, point, _ENDS[row["status"]], timestamp(row["finished_at"]), ended)


def _entry(task_id: UUID, point: Point, kind: str, at: str | None, data: Mapping[str, Any]) -> HistoryEntry:
    named = {"type": kind, "created_at": at, "data": {"task_id": str(task_id), **data}}
    return HistoryEntry(point, _compact(named))
