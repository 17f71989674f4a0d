"""Read the page that a caller asks for, and create the cursor of the next one."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from typing import Annotated, Any, Final, TypeAlias
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from pydantic import AfterValidator, BeforeValidator

from app.core import ids, timestamps
from app.core.errors import InvalidCursor
from app.http import pagination
from app.http.parts import Parts


@dataclass(frozen=True, slots=True)
class Page:
    """The page that the caller asks for: ``limit`` items after the one that the cursor names."""

    limit: int
    cursor: str | None
    request: Request
    response: Response
    oldest_first: bool = False

    def before(self, tenant_id: UUID) -> UUID:
        """Return the id after which the page begins. Raises ``InvalidCursor``."""
        position = self.position(tenant_id)
        if position is None:
            # The first page has a bound too: Postgres may plan a statement with an optional bound as a full scan.
            return ids.FIRST if self.oldest_first else ids.LAST
        return UUID(position)

    def position(self, tenant_id: UUID) -> str | None:
        """Return what ``cut`` has read of the last item before the page; None on the first page.

        Raises ``InvalidCursor``.
        """
        if self.cursor is None:
            return None
        position = pagination.decode(tenant_id, self.cursor, Parts.of(self.request).cursor_key)
        kind, _, text = position.rpartition(":")
        if kind != self._kind:
            raise InvalidCursor("This cursor belongs to another list. Start again without a cursor.")
        return text

    def place(self, tenant_id: UUID) -> AbstractAsyncContextManager[None]:
        """Take one of the tenant's places for expensive lists while it is read. Raises ``TooManyLists``."""
        return Parts.of(self.request).list_limit.place(tenant_id)

    def cut(
        self, tenant_id: UUID, found: Sequence[Any], name: str = "id", read_to: UUID | None = None
    ) -> tuple[Sequence[Any], str | None]:
        """Return the items of this page and the cursor of the next, which the Link header names as well.

        ``found`` has up to ``limit + 1`` items; ``name`` is the attribute of an item with its place in the
        list, without a colon: mostly its id. A list that stopped
        before its end passes ``read_to``, the last id that it has read: the next page begins after it.
        """
        # One item more than the page shows whether there is a next page, without counting all.
        items = found[: self.limit]
        last = getattr(items[-1], name) if len(found) > self.limit else read_to
        if last is None:
            return items, None
        position = f"{self._kind}:{last}"
        cursor = pagination.encode(tenant_id, position, Parts.of(self.request).cursor_key)
        self.response.headers["Link"] = pagination.next_link(str(self.request.url), cursor)
        return items, cursor

    @property
    def link(self) -> str | None:
        """Return the Link header of the page; None on the last one."""
        return self.response.headers.get("Link")

    @property
    def _kind(self) -> str:
        # The last part of the path names the list: a cursor of one list is refused by another, or in another order.
        name = self.request.url.path.rpartition("/")[2]
        return f"{name}-oldest-first" if self.oldest_first else name


Limit: TypeAlias = Annotated[int, Query(ge=1, le=100, description="The most items of the page.")]
Cursor: TypeAlias = Annotated[
    str | None,
    Query(max_length=512, description="Where to begin: the `next_cursor` of the page before. Default: the first page."),
]


def _page(
    request: Request,
    response: Response,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Page:
    return Page(limit, cursor, request, response)


AskedPage: TypeAlias = Annotated[Page, Depends(_page)]


_EARLIEST: Final = datetime(MINYEAR, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(MAXYEAR, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        # The first and last hours of the calendar in another time zone do not exist in UTC.
        return _EARLIEST if moment.year == MINYEAR else _LATEST


def _parse(text: object) -> datetime:
    try:
        return timestamps.parse(text)
    except ValueError as error:
        # The + of an offset is a space in a URL, which everybody meets once.
        raise ValueError(f"{error}. In a URL write + as %2B, or use Z") from None


AskedTime: TypeAlias = Annotated[datetime, BeforeValidator(_parse), AfterValidator(_in_utc)]
"""A time with a UTC offset that limits a list."""
