"""The question of a reader of the event log, and the page that answers it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple
from uuid import UUID

from app.events import cursor
from app.events.cursor import Position
from app.events.types import EventType
from app.http import event_stream


@dataclass(frozen=True, slots=True)
class Ask:
    """The next page of a reader. Readers that ask for the same page at the same time share one read."""

    tenant_id: UUID
    after: Position
    hours: int
    """For how many hours the tenant may read an event."""
    limit: int
    type: EventType | None = None
    task: str | None = None
    tag: str | None = None


class Item(NamedTuple):
    """An event: its place, and its JSON text."""

    place: Position
    text: str


@dataclass(frozen=True)
class LogPage:
    """The events of a tenant after a place, oldest first. Several readers may share it."""

    tenant_id: UUID
    items: Sequence[Item]
    place: Position
    """The place up to which the log was read. The reader continues after it."""
    head: int
    """The number of the tenant's latest event."""

    @property
    def is_at_head(self) -> bool:
        """Return whether there is nothing more to read now."""
        return self.place.seq >= self.head

    def after(self, place: Position) -> "LogPage":
        """Return the part of the page after a place in it, or nothing at this place if it is behind the page."""
        items = [item for item in self.items if item.place.seq > place.seq]
        return replace(self, items=items, place=max(self.place, place))

    @cached_property
    def messages(self) -> bytes:
        """Return the events as server-sent events."""
        # Rendered once, and then shared by all streams that follow the same page.
        return b"".join(
            event_stream.message(item.text, cursor.encode(self.tenant_id, item.place)) for item in self.items
        )
