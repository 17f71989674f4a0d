"""Pages of a tenant's lists: which page is asked for, and where the next one is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from app.core import pagination
from app.core.errors import InvalidCursor


@dataclass(frozen=True, slots=True)
class Page:
    """What the caller asked for: ``limit`` items after the one that the cursor names."""

    limit: int
    cursor: str | None
    request: Request
    response: Response

    def before(self, tenant_id: UUID) -> UUID | None:
        """Return the id after which the page begins; raises ``InvalidCursor``."""
        if self.cursor is None:
            return None
        position = pagination.decode(tenant_id, self.cursor, self.request.app.state.cursor_key)
        kind, _, text = position.rpartition(":")
        if kind != self._kind:
            raise InvalidCursor("The cursor is of another list. Begin without a cursor.")
        return UUID(text)

    def cut(self, tenant_id: UUID, found: Sequence[Any], name: str = "id") -> tuple[Sequence[Any], str | None]:
        """Return the page of ``limit + 1`` items found, and the cursor of the next; the Link header names it too."""
        if len(found) <= self.limit:
            return found, None
        items = found[: self.limit]
        position = f"{self._kind}:{getattr(items[-1], name)}"
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
