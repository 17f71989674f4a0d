"""Identifiers: UUIDv7, which sort by the time of their creation."""

import re
from datetime import datetime
from typing import Final
from uuid import UUID

import uuid_utils
from asyncpg.pgproto import pgproto

CANONICAL_UUID: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
"""Pattern of an id as the API writes it."""
UUID_IN_ANY_CASE: Final = CANONICAL_UUID[1:-1].replace("a-f", "a-fA-F")
"""Pattern of an id as a caller may write it (RFC 9562, section 4). Any other spelling is an unknown id."""
FIRST: Final = UUID(int=0)
"""Before every id."""
LAST: Final = UUID(int=(1 << 128) - 1)
"""After every id."""
_ID: Final = re.compile(UUID_IN_ANY_CASE)
# The second half of a UUID, in bits.
_SECOND_HALF: Final = (1 << 64) - 1

# Seconds. An id has the time of the process that created it, and its row the database's time. The two clocks are
# assumed to differ by less than this.
_CLOCKS_APART: Final = 86_400.0


def new_id() -> UUID:
    """Return a new id. Within a process, each id is greater than the one before."""
    # asyncpg's own UUID class, which equals Python's. It is created, written and sent in a third of the time.
    return pgproto.UUID(uuid_utils.uuid7().bytes)


def read(text: str) -> UUID | None:
    """Return the id in a caller's text, or None if the text is not an id."""
    # Checked by a pattern first, because UUID() also accepts braces, ``urn:uuid:`` and an id without dashes.
    return pgproto.UUID(text) if _ID.fullmatch(text) else None


def canonical(text: str) -> str | None:
    """Return the id in a caller's text in our own spelling, or None if the text is not an id."""
    return text.lower() if _ID.fullmatch(text) else None


def first_id_at(seconds: float) -> UUID:
    """Return the lowest id of a time, in seconds since 1970. For a time before 1970 return ``FIRST``."""
    # The first 48 bits of a UUIDv7 are its time in milliseconds.
    return UUID(int=max(0, int(seconds * 1000)) << 80)


def with_first_half_of(key: UUID) -> tuple[UUID, UUID]:
    """Return the lowest and highest UUID that begin with the first half of a key."""
    return UUID(int=key.int & ~_SECOND_HALF), UUID(int=key.int | _SECOND_HALF)


def created_at(new: UUID) -> float:
    """Return the time at which ``new_id`` made an id, in seconds since 1970, by the clock of that process."""
    return int.from_bytes(new.bytes[:6]) / 1000


def between(earliest: datetime | None, latest: datetime | None) -> tuple[UUID, UUID]:
    """Return the lowest and highest id that a row created between two times may have (None: no bound)."""
    return (
        first_id_at(earliest.timestamp() - _CLOCKS_APART) if earliest else FIRST,
        first_id_at(latest.timestamp() + _CLOCKS_APART) if latest else LAST,
    )
