"""Write and read cursors: places in a tenant's events, or in the history of one task (pure).

A cursor is opaque, and belongs to whom it was made for. It is checked by a hash without a secret, so it outlives every
change of keys. To forge one gains nothing: every read names the tenant.
"""

import base64
import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from struct import Struct
from typing import Final, NamedTuple
from uuid import UUID

from app.core.errors import InvalidCursor

_TEXT: Final = re.compile(r"[A-Za-z0-9_-]{16,64}")
_CHECK_BYTES: Final = 8
_POSITION: Final = Struct(">q16s")
UNKNOWN: Final = UUID(int=0)
"""The id of an event that is not known."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Events after a place may be a little older than the one at the place: their transaction began earlier, or the clock
# was set back. A day is far more.
_OUT_OF_ORDER: Final = timedelta(days=1)
# Milliseconds until the last day that a datetime can hold. A forged cursor may name a later one, and an error
# would also end the reads of other tenants in the same statement.
_LATEST: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)


class Position(NamedTuple):
    """A place in a tenant's events: after the event with this number and id."""

    seq: int
    id: UUID = UNKNOWN
    """It contains the time of the event, and a hash of its columns (migrations/functions: event_id)."""

    @property
    def since(self) -> datetime:
        """Return a time before which no later event was created. Days before it need not be read."""
        # The first 48 bits of a UUIDv7 are its time in milliseconds.
        milliseconds = min(self.id.int >> 80, _LATEST)
        return max(_EPOCH, _EPOCH + timedelta(milliseconds=milliseconds) - _OUT_OF_ORDER) if milliseconds else _EPOCH


OLDEST: Final = Position(-1)
"""Before the oldest event that is kept."""
NOW: Final = Position(-2)
"""After the latest event."""


def seal(owner: bytes, position: bytes) -> str:
    """Return the cursor of a position, for the owner of the list. ``position`` has at most 40 bytes."""
    return base64.urlsafe_b64encode(_check(owner, position) + position).rstrip(b"=").decode()


def unseal(owner: bytes, cursor: str) -> bytes:
    """Return the position in a cursor. Raises ``InvalidCursor`` if it was not made for this owner."""
    # The length: no base64 text has one character after whole groups of four, and the decoder would raise.
    if not _TEXT.fullmatch(cursor) or len(cursor) % 4 == 1:
        raise refused()
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    position = raw[_CHECK_BYTES:]
    # Written again, so that one cursor has one spelling.
    if seal(owner, position) != cursor:
        raise refused()
    return position


def _check(owner: bytes, position: bytes) -> bytes:
    return sha256(b"cursor" + owner + position).digest()[:_CHECK_BYTES]


def encode(tenant_id: UUID, place: Position) -> str:
    """Return the cursor of a place in the tenant's events."""
    return seal(b"events" + tenant_id.bytes, _POSITION.pack(place.seq, place.id.bytes))


def decode(tenant_id: UUID, cursor: str) -> Position:
    """Return the place of a cursor. Raises ``InvalidCursor`` if it was not made for this tenant's events."""
    position = unseal(b"events" + tenant_id.bytes, cursor)
    if len(position) != _POSITION.size:
        raise refused()
    seq, identifier = _POSITION.unpack(position)
    # Negative numbers have meanings of our own (OLDEST, NOW), which no cursor may name.
    if seq < 0:
        raise refused()
    return Position(seq, UUID(bytes=identifier))


def refused() -> InvalidCursor:
    """Return the error for a cursor that is damaged, or was made for another list or tenant."""
    return InvalidCursor("This cursor is not valid. Start again without one, and send each next_cursor unchanged.")
