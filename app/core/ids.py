"""Identifiers: UUIDv7, whose order is the order of their making."""

import re
from datetime import datetime
from typing import Final
from uuid import UUID

import uuid_utils
from asyncpg.pgproto import pgproto

CANONICAL_UUID: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
"""Pattern of an id as we write it."""
UUID_IN_ANY_CASE: Final = CANONICAL_UUID[1:-1].replace("a-f", "a-fA-F")
"""Pattern of an id as a caller may write it (RFC 9562, section 4). Any other spelling is an unknown id."""
FIRST: Final = UUID(int=0)
"""Before every id."""
LAST: Final = UUID(int=(1 << 128) - 1)
"""After every id."""
_ID: Final = re.compile(UUID_IN_ANY_CASE)

# An id has the time of the process that made it, a row the database's: these clocks are less apart, in seconds.
_CLOCKS_APART: Final = 86_400.0


def new_id() -> UUID:
    """Make an id; within a process each is greater than the one before."""
    # The driver's own kind of UUID, equal to Python's: made, written and sent in a third of the time.
    return pgproto.UUID(uuid_utils.uuid7().bytes)


def read(text: str) -> UUID | None:
    """Return the id that a caller has written, or None where it is none."""
    return pgproto.UUID(text) if _ID.fullmatch(text) else None


def canonical(text: str) -> str | None:
    """Return the id that a caller has written as we write it, or None if it is no id."""
    return text.lower() if _ID.fullmatch(text) else None


def first_id_at(seconds: float) -> UUID:
    """Return the lowest id of a moment, in seconds since 1970; of one before it, ``FIRST``."""
    return UUID(int=max(0, int(seconds * 1000)) << 80)


def between(earliest: datetime | None, latest: datetime | None) -> tuple[UUID, UUID]:
    """Return the ids between which all is that was created between two moments (None: at any time)."""
    return (
        first_id_at(earliest.timestamp() - _CLOCKS_APART) if earliest else FIRST,
        first_id_at(latest.timestamp() + _CLOCKS_APART) if latest else LAST,
    )
