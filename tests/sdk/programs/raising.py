"""What the programs share."""

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from task_queue_client.models import Event, EventData

E = TypeVar("E", bound=Exception)


def raised(kind: type[E], call: Callable[[], object]) -> E:
    """Return the exception of this kind that a call raises."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


def task_of(event: Event) -> UUID:
    """Return the task of an event."""
    assert isinstance(event.data, EventData)
    return event.data.task_id
