"""The errors of the tenant's tasks, grouped: how often, since when, and what was decided about them."""

from typing import Final

from starlette.responses import Response

from app.console import reading
from app.console.visit import Visit
from app.core.errors import InvalidRequest
from app.task_errors import calls
from app.task_errors.schemas import ErrorStatus

_PAGE_SIZE: Final = 30
_STATUSES: Final[tuple[ErrorStatus, ...]] = ("unresolved", "resolved", "ignored")


async def show(visit: Visit) -> Response:
    """Show the errors of a status, the one that was seen last first."""
    query = visit.request.query_params
    status = _status(query.get("status"))
    cursor = query.get("cursor")
    found = await reading.errors(visit, status, _PAGE_SIZE, cursor)
    return visit.page(
        "errors.html",
        errors=found.items,
        next_cursor=found.next_cursor,
        shown=status,
        statuses=_STATUSES,
        is_first=cursor is None,
    )


def _status(asked: str | None) -> ErrorStatus:
    return next((each for each in _STATUSES if each == asked), "unresolved")


async def change(visit: Visit) -> Response:
    """Mark an error as resolved, ignored or unresolved."""
    form = await visit.form()
    acts = {"resolve": calls.resolve_error, "ignore": calls.ignore_error, "reopen": calls.reopen_error}
    act = acts.get(form.get("action"))
    if act is None:
        raise InvalidRequest("Choose resolve, ignore or reopen.")
    await act(visit.principal, visit.parts, visit.id_of("error_id", "error"))
    return visit.go(f"/errors?status={form.get('status') if form.get('status') in _STATUSES else 'unresolved'}")


async def retry(visit: Visit) -> Response:
    """Run every task that failed with this error again, and show the progress."""
    await visit.form()
    error_id = visit.id_of("error_id", "error")
    answer = await calls.retry_error(visit.request, visit.principal, visit.parts, error_id)
    return visit.go(f"/operations/{answer.headers['Location'].rpartition('/')[2]}")
