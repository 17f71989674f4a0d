"""Iterating over pages."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from task_queue_client.calls import Call

from .transport import AsyncTransport

Item_co = TypeVar("Item_co", covariant=True)


class Page(Protocol[Item_co]):
    """A page of a list."""

    @property
    def items(self) -> Sequence[Item_co]:
        """What is on it."""
        ...

    @property
    def next_cursor(self) -> str | None:
        """What leads to the next one."""
        ...


async def pages(
    transport: AsyncTransport, call: Call[Page[Item_co]], parameter: str, *, is_open: bool = False
) -> AsyncIterator[Item_co]:
    """Yield the items of a list and of all its further pages.

    ``is_open`` is for lists that have a cursor also where there is nothing more yet: it comes back unchanged then.
    """
    while True:
        page = await transport.call(call)
        for item in page.items:
            yield item
        if page.next_cursor is None or (is_open and page.next_cursor == call.query.get(parameter)):
            return
        call = replace(call, query={**call.query, parameter: page.next_cursor})
