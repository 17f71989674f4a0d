"""Remember for a minute what this process has read of tasks that have ended: an ended task never changes.

A deleted task must not be answered for long (docs/decisions/0019-what-an-api-remembers-of-ended-tasks.md), so an entry
is forgotten after a minute, however often it is used. The key has the tenant: another tenant's id is an unknown id.
"""

import asyncio
from time import monotonic, time
from typing import Final, Literal, NamedTuple, TypeAlias
from uuid import UUID

from app.core import ids
from app.db import timelines

Kind: TypeAlias = Literal["status", "result"]
_Key: TypeAlias = tuple[Kind, UUID, UUID]

MAX_AGE_SECONDS: Final = 60.0
"""The longest time for which a deleted task may still be answered."""
_DAY_SECONDS: Final = 86_400.0
# What an entry takes in addition to its text: the key, the entry and their place in the dictionary.
_ENTRY_BYTES: Final = 512
# One text may take this part of the memory, so that a few large results do not displace all others.
_LARGEST_PART: Final = 64


class _KeptText(NamedTuple):
    text: bytes
    forget_at: float
    """By the monotonic clock."""
    created_at: float
    """Unix seconds. A task ends after it was created, so its retention does not end before that of this time."""


class EndedTasks:
    """Answers about ended tasks as JSON texts. The oldest ones are forgotten first."""

    def __init__(self, max_bytes: int, max_age: float = MAX_AGE_SECONDS) -> None:
        """``max_bytes`` bounds the memory of all entries; 0 remembers nothing. ``max_age`` is in seconds."""
        self._max_bytes = max_bytes
        self._max_age = max_age
        self.size = 0
        """Bytes of all entries, as they are counted."""
        self._entries: dict[_Key, _KeptText] = {}
        self._timelines = timelines.known()
        self._version = self._timelines.version
        self._sweep: asyncio.TimerHandle | None = None

    def find(self, kind: Kind, tenant_id: UUID, task_id: UUID, retention_days: int) -> bytes | None:
        """Return the remembered text. ``retention_days`` is the tenant's limit now: a text never outlives it."""
        entry = self._entries.get((kind, tenant_id, task_id))
        if entry is None or self._version != self._timelines.version:
            return None
        is_kept = time() < entry.created_at + retention_days * _DAY_SECONDS
        return entry.text if is_kept and monotonic() < entry.forget_at else None

    def keep(self, kind: Kind, tenant_id: UUID, task_id: UUID, text: bytes) -> None:
        """Remember a text that was just read from Postgres. The task must have ended."""
        size = len(text) + _ENTRY_BYTES
        if size * _LARGEST_PART > self._max_bytes:
            return
        if self._version != self._timelines.version:
            # Another server is the primary now, and it may never have stored what the old one has said.
            self.clear()
        key = kind, tenant_id, task_id
        self._drop(key)
        while self.size + size > self._max_bytes:
            self._drop(next(iter(self._entries)))
        self._entries[key] = _KeptText(text, monotonic() + self._max_age, ids.created_at(task_id))
        self.size += size
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(self._max_age, self._forget_old)

    def forget(self, tenant_id: UUID, task_id: UUID) -> None:
        """Forget a task that this process has erased. The other processes do so within ``MAX_AGE_SECONDS``."""
        self._drop(("status", tenant_id, task_id))
        self._drop(("result", tenant_id, task_id))

    def clear(self) -> None:
        """Forget everything."""
        self._entries, self.size, self._version = {}, 0, self._timelines.version
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    def _drop(self, key: _Key) -> None:
        if (entry := self._entries.pop(key, None)) is not None:
            self.size -= len(entry.text) + _ENTRY_BYTES

    def _forget_old(self) -> None:
        # The entries stand in the order of their age. What nobody asks for again must leave the memory, too.
        self._sweep, now = None, monotonic()
        for key, entry in list(self._entries.items()):
            if entry.forget_at > now:
                self._sweep = asyncio.get_running_loop().call_later(entry.forget_at - now, self._forget_old)
                return
            self._drop(key)
