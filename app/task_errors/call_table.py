"""The table of the calls about errors. ``app.http.operation`` describes its entries and their handlers."""

from collections.abc import Sequence
from typing import Final

from app.core.errors import (
    IdempotencyMismatch,
    InvalidCursor,
    InvalidRequest,
    LimitReached,
    NotFound,
    TooManyLists,
)
from app.http.operation import Answer, Operation
from app.identity.scopes import TASKS_READ, TASKS_WRITE
from app.operations.call_table import STARTED
from app.quotas.admission import CALLS
from app.task_errors import calls
from app.task_errors.schemas import KnownError, KnownErrorPage

CALL_TABLE: Final[Sequence[Operation]] = (
    Operation(
        method="GET",
        path="/api/errors",
        handler=calls.list_errors,
        summary="List errors",
        scope=TASKS_READ,
        rate=CALLS,
        answers={200: Answer(KnownErrorPage, headers=["Link"])},
        problems=[InvalidCursor, InvalidRequest, TooManyLists],
    ),
    Operation(
        method="GET",
        path="/api/errors/{error_id}",
        handler=calls.get_error,
        summary="Get an error",
        scope=TASKS_READ,
        rate=CALLS,
        answers={200: Answer(KnownError)},
        problems=[NotFound],
    ),
    Operation(
        method="POST",
        path="/api/errors/{error_id}/resolve",
        handler=calls.resolve_error,
        summary="Resolve an error",
        scope=TASKS_WRITE,
        rate=CALLS,
        answers={200: Answer(KnownError)},
        problems=[NotFound],
    ),
    Operation(
        method="POST",
        path="/api/errors/{error_id}/ignore",
        handler=calls.ignore_error,
        summary="Ignore an error",
        scope=TASKS_WRITE,
        rate=CALLS,
        answers={200: Answer(KnownError)},
        problems=[NotFound],
    ),
    Operation(
        method="POST",
        path="/api/errors/{error_id}/reopen",
        handler=calls.reopen_error,
        summary="Reopen an error",
        scope=TASKS_WRITE,
        rate=CALLS,
        answers={200: Answer(KnownError)},
        problems=[NotFound],
    ),
    Operation(
        method="POST",
        path="/api/errors/{error_id}/retry",
        handler=calls.retry_error,
        summary="Run the failed tasks of an error again",
        scope=TASKS_WRITE,
        rate=CALLS,
        answers=STARTED,
        problems=[NotFound, InvalidRequest, IdempotencyMismatch, LimitReached],
    ),
)
