"""Cancel or retry many tasks: say how many before, and show the progress after."""

from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

from pydantic import ValidationError
from pydantic_core import to_json
from starlette.responses import Response

from app.console import task_filters, texts
from app.console.forms import Form
from app.console.visit import Visit
from app.core import ids
from app.core.errors import InvalidRequest
from app.operations import asking
from app.operations.progress import Kind
from app.operations.schemas import CancelFilter, RetryFilter
from app.tasks.read.task_filter import TaskFilter
from app.tasks.status import Status

_COUNTED: Final = 1_000
"""The most tasks that are counted before an action. More of them are shown as "more than"."""
_KINDS: Final[dict[str, tuple[Kind, type[CancelFilter] | type[RetryFilter]]]] = {
    "cancel": ("tasks.cancel", CancelFilter),
    "retry": ("tasks.retry", RetryFilter),
}
# Ids of a form: more than a page of the list has.
_FORM_BYTES: Final = 65_536


class _BulkAction(NamedTuple):
    action: str
    query: str
    """The query string of the list that the person saw."""
    chosen: dict[str, Any]
    """The filter of the operation."""


async def ask(visit: Visit) -> Response:
    """Show how many tasks the action is about, and ask once."""
    form = await visit.form(limit=_FORM_BYTES)
    asked = _read(form)
    number = await _count(visit, asked)
    return visit.page("bulk.html", asked=asked, number=number, counted=_COUNTED, task_ids=form.all("task_id"))


async def start(visit: Visit) -> Response:
    """Start the operation, and show its progress."""
    asked = _read(await visit.form(limit=_FORM_BYTES))
    kind, model = _KINDS[asked.action]
    try:
        # As JSON, because the models are strict: there, a text may be a time.
        stored = model.model_validate_json(to_json(asked.chosen)).stored()
    except ValidationError:
        raise InvalidRequest("These tasks cannot be chosen for this action. Change the filters.") from None
    started = await asking.start(visit.parts.accounts, visit.tenant_id, visit.actor, kind, stored, None)
    return visit.go(f"/operations/{started.operation_id}")


def _read(form: Form) -> _BulkAction:
    """Return what a form asks for. Raises ``InvalidRequest``."""
    action, query = form.get("action"), form.get("query")
    if action not in _KINDS:
        raise InvalidRequest("Choose cancel or retry.")
    named = form.all("task_id")
    if form.get("scope") == "all":
        filters = parse_qsl(query.removeprefix("?"))
        # The query comes in a field of the form, where percent-encoding could hide a NUL.
        texts.require_storable(filters)
        chosen = task_filters.read(dict(filters)).selection(action, datetime.now(UTC))
        if chosen is None:
            raise InvalidRequest("No task that these filters show can be chosen for this action. Change the filters.")
        return _BulkAction(action, query, chosen)
    if not named:
        raise InvalidRequest("Choose at least one task of the list.")
    return _BulkAction(action, query, {"ids": named})


async def _count(visit: Visit, asked: _BulkAction) -> int:
    """Return how many tasks the action is about, up to one more than are counted."""
    if "ids" in asked.chosen:
        return len(set(asked.chosen["ids"]))
    since = asked.chosen.get("created_from")
    wanted = TaskFilter(
        statuses=[Status(name) for name in asked.chosen["statuses"]],
        task=asked.chosen.get("task"),
        tag=asked.chosen.get("tag"),
        created_from=datetime.fromisoformat(since) if since else None,
    )
    async with visit.parts.list_limit.place(visit.tenant_id):
        found, _ = await visit.parts.reading.page(visit.tenant_id, wanted, position=ids.LAST, limit=_COUNTED + 1)
    return len(found)
