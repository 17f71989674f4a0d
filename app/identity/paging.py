"""Pages of a tenant's lists: which page is asked for, and where the next one is."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from typing import Annotated, Any, Final, TypeAlias
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from pydantic import AfterValidator

from app.core import ids
from app.core.errors import InvalidCursor
from app.core.moments import Moment
from app.http import pagination
from app.http.list_limit import ListLimit


@dataclass(frozen=True, slots=True)
class Page:
    """What the caller asked for: ``limit`` items after the one that the cursor names."""

    limit: int
    cursor: str | None
    request: Request
    response: Response

    def before(self, tenant_id: UUID) -> UUID:
        """Return the id after which the page begins; raises ``InvalidCursor``."""
        if self.cursor is None:
            # A bound like any other: a statement that asks whether there is one may be planned to read all before it.
            return ids.LAST
        position = pagination.decode(tenant_id, self.cursor, self.request.app.state.cursor_key)
        kind, _, text = position.rpartition(":")
        if kind != self._kind:
            raise InvalidCursor("The cursor is of another list. Begin without a cursor.")
        return UUID(text)

    def place(self, tenant_id: UUID) -> AbstractAsyncContextManager[None]:
        """Hold one of the tenant's places for lists that may read much; raises ``TooManyLists``."""
        limit: ListLimit = self.request.app.state.list_limit
        return limit.place(tenant_id)

    def cut(
        self, tenant_id: UUID, found: Sequence[Any], name: str = "id", read_to: UUID | None = None
    ) -> tuple[Sequence[Any], str | None]:
        """Return the page of ``limit + 1`` items found, and the cursor of the next; the Link header names it too.

        A list that has not read to its end has found fewer, and goes on after the id ``read_to``.
        """
        items = found[: self.limit]
        last = getattr(items[-1], name) if len(found) > self.limit else read_to
        if last is None:
            return items, None
        position = f"{self._kind}:{last}"
        cursor = pagination.encode(tenant_id, position, self.request.app.state.cursor_key)
        self.response.headers["Link"] = pagination.next_link(str(self.request.url), cursor)
        return items, cursor

    @property
    def _kind(self) -> str:
        return self.request.url.path.rpartition("/")[2]


def _page(
    request: Request,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=512)] = None,
) -> Page:
    return Page(limit, cursor, request, response)


AskedPage: TypeAlias = Annotated[Page, Depends(_page)]


_EARLIEST: Final = datetime(MINYEAR, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(MAXYEAR, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        # The calendar's first and last hours elsewhere are none of UTC's.
        return _EARLIEST if moment.year == MINYEAR else _LATEST


AskedTime: TypeAlias = Annotated[Moment, AfterValidator(_in_utc)]
"""A moment by which a list is narrowed, with a UTC offset."""
