"""The bodies of the calls about errors. Docstrings and descriptions are part of the API document."""

from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, Field

ErrorStatus: TypeAlias = Literal["unresolved", "resolved", "ignored"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class ErrorPlace(tuple[datetime, UUID]):
    """The place of an error in a list: the time at which it was last seen, and its id."""

    __slots__ = ()

    @classmethod
    def read(cls, text: str) -> "ErrorPlace":
        """Return the place that ``str`` has written."""
        microseconds, _, error_id = text.partition(".")
        # Whole microseconds, as Postgres stores them: a float would round, and a page could repeat or skip an error.
        return cls((_EPOCH + int(microseconds) * _MICROSECOND, UUID(error_id)))

    # A cursor has a colon of its own, between the name of its list and the place.
    def __str__(self) -> str:
        """Return the place as a text without a colon."""
        last_seen, error_id = self
        return f"{(last_seen - _EPOCH) // _MICROSECOND}.{error_id}"


class KnownError(BaseModel):
    """An error: failed attempts of one task type with the same type and message, numbers and ids left out."""

    error_id: UUID
    task: str = Field(description="Name of the task type.")
    type: str
    message: str | None = Field(description="Of the latest occurrence; null if you have erased its task.")
    status: ErrorStatus
    occurrences: int = Field(description="Failed attempts, also those that were followed by another attempt.")
    first_seen: datetime
    last_seen: datetime
    sparkline: list[int] = Field(
        min_length=24,
        max_length=24,
        examples=[[0] * 23 + [3]],
        description="Occurrences in each of the last 24 hours (UTC), the oldest first. The last one is now.",
    )
    last_task_id: UUID = Field(description="The task of the latest occurrence.")
    resolved_at: datetime | None
    resolved_by: str | None = Field(description="The key's id or the member's e-mail; null if it was not resolved.")
    regressed_at: datetime | None = Field(
        description="When it was seen again after it was resolved; null once you change its status."
    )

    @property
    def place(self) -> ErrorPlace:
        """Return its place in a list."""
        return ErrorPlace((self.last_seen, self.error_id))


class KnownErrorPage(BaseModel):
    """A page of errors, the one that was seen last first."""

    items: list[KnownError]
    next_cursor: str | None = Field(description="Send it as `cursor` to get the next page; null on the last page.")
