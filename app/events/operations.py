"""The table of the calls about events. ``app.http.operation`` describes the entries and their handlers."""

from collections.abc import Sequence
from typing import Final

from app.core.errors import CursorLost, InvalidCursor, InvalidRequest, NoEventLog, TooManyStreams
from app.events import calls
from app.events.schemas import EventPage
from app.http.operation import Answer, Operation
from app.identity.scopes import TASKS_READ
from app.quotas.admission import CALLS

OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        method="GET",
        path="/api/events",
        handler=calls.list_events,
        summary="Follow the events",
        scope=TASKS_READ,
        rate=CALLS,
        answers={200: Answer(EventPage, stream="Event")},
        problems=[InvalidCursor, InvalidRequest, NoEventLog, CursorLost, TooManyStreams],
    ),
)
