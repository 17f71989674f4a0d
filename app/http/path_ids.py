"""Path parameters that name something of the tenant's by its id."""

from collections.abc import Callable
from uuid import UUID

from app.core import ids
from app.core.errors import NotFound


def reader(unknown: str) -> Callable[[str], UUID]:
    """Return a function that reads an id. It raises ``NotFound`` with the text ``unknown`` for what is none.

    So a text that is no id is answered as an id that nothing has: a client need not tell the two apart.
    """

    def read(text: str) -> UUID:
        found = ids.read(text)
        if found is None:
            raise NotFound(unknown)
        return found

    return read
