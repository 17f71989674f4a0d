"""The table of the calls about statistics. ``app.http.operation`` describes the entries and their handlers."""

from collections.abc import Sequence
from typing import Final

from app.core.errors import InvalidRequest
from app.http.operation import Answer, Operation
from app.identity.scopes import TASKS_READ
from app.quotas.admission import CALLS
from app.stats import calls
from app.stats.schemas import Stats

OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        method="GET",
        path="/api/stats",
        handler=calls.get_stats,
        summary="Get your statistics",
        scope=TASKS_READ,
        rate=CALLS,
        answers={200: Answer(Stats)},
        problems=[InvalidRequest],
    ),
)
