"""Remember the newest timeline of Postgres that this installation has seen. A server on an older one is an old primary.

Each promotion of a standby begins a new timeline. An old primary that comes back is still on its former timeline, and
rows that it accepted would be lost. So it is refused. Each process remembers the newest timeline, and shares it by a
file in the folder of the secrets file and by Redis (app/broker/timelines.py). Only timelines of the same system
identifier are compared: a database that was restored into a new cluster has another one, and starts without a history.

A *mark* is one number that grows with each decision: the number of the operator's acceptances in the upper bits, the
timeline in the lower 32. After a restore to an older timeline, ``scripts/admin doctor --accept-timeline`` counts one
more acceptance, so that the mark of the older timeline is larger than every mark before.
"""

import json
import logging
import os
import secrets
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_log = logging.getLogger(__name__)

FILE_NAME: Final = "timelines.json"
_TIMELINE_BITS: Final = 32


class ServerRefused(ConnectionError):  # noqa: N818 named for the fact
    """Postgres answers, but must not be used. The message says why and what to do. Callers treat it as unavailable."""


def mark(timeline: int, acceptances: int = 0) -> int:
    """Return the mark of a timeline after this number of acceptances by the operator."""
    return acceptances << _TIMELINE_BITS | timeline


def timeline_of(of_mark: int) -> int:
    """Return the timeline of a mark."""
    return of_mark & ((1 << _TIMELINE_BITS) - 1)


def acceptances_of(of_mark: int) -> int:
    """Return how many acceptances a mark counts."""
    return of_mark >> _TIMELINE_BITS


class Timelines:
    """The newest timelines that one process knows. Safe to use from several threads."""

    def __init__(self) -> None:
        """Begin without any timeline and without a file."""
        self._path: Path | None = None
        self._lock = threading.Lock()
        self._marks: dict[int, int] = {}
        self._in_file: dict[int, int] = {}
        self._file_changed_at = 0
        self._is_writable = True
        self.version = 0
        """Grows when a newer mark becomes known. Connections that were checked before must then be checked again."""

    def keep_in(self, folder: Path) -> None:
        """Use the file in this folder from now on, and read it. The file may be missing."""
        path = folder / FILE_NAME
        if path != self._path:
            with self._lock:
                self._path, self._in_file, self._file_changed_at, self._is_writable = path, {}, 0, True
            self.refresh()

    def marks(self) -> dict[int, int]:
        """Return the mark of each system identifier."""
        return dict(self._marks)

    def newest(self, system: int) -> int:
        """Return the newest known timeline of a system identifier; 0 if none is known."""
        return timeline_of(self._marks.get(system, 0))

    def see(self, system: int, timeline: int) -> None:
        """Record the timeline of a primary. Raises ``ServerRefused`` if a newer one is known."""
        known = self._marks.get(system, 0)
        if timeline == timeline_of(known):
            return
        if timeline < timeline_of(known):
            message = (
                f"this Postgres is on timeline {timeline}, but its timeline {timeline_of(known)} has been seen: it is"
                " an old primary. Stop it, or rebuild it as a standby. If it shall be used (you have restored it to an"
                " earlier time), run scripts/admin doctor --accept-timeline"
            )
            raise ServerRefused(message)
        self.learn({system: mark(timeline, acceptances_of(known))})

    def accept(self, system: int, timeline: int) -> None:
        """Make this timeline the newest one from now on, although a newer one has been seen."""
        self.learn({system: mark(timeline, acceptances_of(self._marks.get(system, 0)) + 1)})

    def learn(self, marks: Mapping[int, int]) -> None:
        """Take over the marks of other processes that are newer, and write the file."""
        with self._lock:
            self._merge(marks)
            self._keep()

    def refresh(self) -> None:
        """Read the file if it has changed, and write it if this process knows newer marks."""
        with self._lock:
            self._read()
            self._merge(self._in_file)
            self._keep()

    def _merge(self, marks: Mapping[int, int]) -> None:
        newer = {system: one for system, one in marks.items() if one > self._marks.get(system, 0)}
        # A system identifier that is new here does not count: no connection was checked against an older mark.
        if any(system in self._marks for system in newer):
            self.version += 1
        self._marks.update(newer)

    def _read(self) -> None:
        if self._path is None:
            return
        try:
            changed_at = self._path.stat().st_mtime_ns
            if changed_at != self._file_changed_at:
                self._file_changed_at = changed_at
                self._in_file = _parse(self._path.read_bytes())
        except FileNotFoundError:
            self._in_file, self._file_changed_at = {}, 0
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            _log.warning("%s cannot be read, and is written again: %s", self._path, type(error).__name__)
            self._in_file = {}

    def _keep(self) -> None:
        is_kept = all(self._in_file.get(system, 0) >= one for system, one in self._marks.items())
        if self._path is None or not self._is_writable or is_kept:
            return
        try:
            _write(self._path, self._marks)
            self._in_file, self._file_changed_at = dict(self._marks), self._path.stat().st_mtime_ns
        except OSError as error:
            self._is_writable = False
            message = "%s cannot be written (%s): only Redis and each process remember the newest timeline of Postgres"
            _log.warning(message, self._path, type(error).__name__)


def _parse(text: bytes) -> dict[int, int]:
    return {int(system): mark(known["timeline"], known["acceptances"]) for system, known in json.loads(text).items()}


def _write(path: Path, marks: Mapping[int, int]) -> None:
    content = {
        str(system): {"timeline": timeline_of(one), "acceptances": acceptances_of(one)} for system, one in marks.items()
    }
    # Written to a second file, then renamed: other processes read this file at any moment.
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(content, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


_known: Final = Timelines()


def known() -> Timelines:
    """Return the timelines that this process knows."""
    return _known
