"""Submit a task: a form made from the schema of its type, or the payload as JSON."""

import json
from typing import Any, Final

from starlette.responses import Response

from app.console import forms, schema_form
from app.console.form_models import checked
from app.console.visit import Visit
from app.core import ids
from app.core.errors import InvalidRequest, MalformedBody, NotFound, Problem
from app.http import strict_json
from app.tasks import responses
from app.tasks.definition import types, unknown_members
from app.tasks.definition.types import TaskType
from app.tasks.schemas import DEFAULT_PRIORITY, SubmitRequest
from app.tasks.submit import validation
from app.tasks.submit.new_tasks import TaskSpecs

_OPTIONS: Final = ("priority", "delay_seconds", "max_attempts", "timeout_seconds", "tags", "metadata", "webhook_url")


async def show(visit: Visit) -> Response:
    """Show the form of a task type, empty or with the request of a task that is repeated with edits."""
    query = visit.request.query_params
    if query.get("from"):
        return await _duplicate(visit, query["from"])
    known = types.all_types()
    name = query.get("task") or next(iter(known))
    task_type = types.find(name)
    if task_type is None:
        raise NotFound("There is no such task type.")
    payload = schema_form.example(unknown_members.json_schema(task_type.payload))
    return _page(visit, task_type, payload, {"priority": str(DEFAULT_PRIORITY)})


async def _duplicate(visit: Visit, text: str) -> Response:
    task_id = ids.read(text)
    if task_id is None:
        raise NotFound("There is no such task.")
    async with visit.parts.list_limit.place(visit.tenant_id):
        found = await visit.parts.reading.detail(visit.tenant_id, task_id)
    task, task_type = found.task, types.find(found.task.task)
    if task_type is None or task.erased_at is not None:
        raise NotFound("The type of this task no longer exists, or its payload was erased.")
    options = {
        "priority": str(task.priority),
        "max_attempts": str(task.max_attempts),
        "timeout_seconds": "" if task.timeout_seconds is None else f"{task.timeout_seconds:g}",
        "tags": ", ".join(task.tags),
        "metadata": "\n".join(f"{key}: {value}" for key, value in task.metadata.items()),
        "webhook_url": task.webhook_url or "",
    }
    return _page(visit, task_type, schema_form.indented(found.payload), options, source=str(task_id))


def _page(
    visit: Visit,
    task_type: TaskType,
    payload: str,
    options: dict[str, str],
    *,
    source: str = "",
    error: Problem | None = None,
) -> Response:
    schema = unknown_members.json_schema(task_type.payload)
    faults = [] if error is None else error.extensions.get("errors", [])
    return visit.page(
        "submit.html",
        200 if error is None else error.status,
        types=[(each.name, each.summary) for each in types.all_types().values()],
        task_type=task_type,
        fields=schema_form.fields(schema, payload),
        payload=payload,
        schema=json.dumps(schema, indent=2, ensure_ascii=False),
        options={name: options.get(name, "") for name in _OPTIONS},
        source=source,
        error=error and error.detail,
        faults=faults,
    )


async def submit(visit: Visit) -> Response:
    """Accept the task, and show it; or the form again, with what is wrong."""
    form = await visit.form(limit=forms.LARGE)
    task_type = types.find(form.get("task"))
    if task_type is None:
        raise NotFound("There is no such task type.")
    options = {name: form.raw(name).strip() for name in _OPTIONS}
    payload = form.raw("payload")
    try:
        if form.get("by") == "fields":
            payload = schema_form.filled(unknown_members.json_schema(task_type.payload), form.under("field."))
        task_id = await _accept(visit, task_type, payload, options)
    except (InvalidRequest, MalformedBody) as error:
        return _page(visit, task_type, payload, options, source=form.get("source"), error=error)
    return visit.go(f"/tasks/{task_id}")


async def _accept(visit: Visit, task_type: TaskType, payload: str, options: dict[str, str]) -> str:
    """Store the task. Raises what the same submit over the API would raise."""
    # As strictly as the API: what it would refuse must not come in by a form.
    body: dict[str, Any] = {"task": task_type.name, "payload": strict_json.loads(payload.encode() or b"{}")}
    body |= _read_options(options)
    wanted = checked(SubmitRequest, body)
    limits = visit.limits
    task = validation.new_task(visit.tenant_id, limits, wanted, None)
    decided = await visit.parts.acceptor.accept(TaskSpecs(visit.tenant_id, limits, (task,)))
    return str(responses.require_accepted(decided, limits, []).task_ids[0])


def _read_options(options: dict[str, str]) -> dict[str, Any]:
    """Return the options that were filled in, with their types. The model refuses a text that is no number."""
    found: dict[str, Any] = {}
    for name in ("priority", "delay_seconds", "max_attempts", "timeout_seconds"):
        if text := options[name]:
            found[name] = _number(text)
    if tags := [tag.strip() for tag in options["tags"].split(",") if tag.strip()]:
        found["tags"] = tags
    lines = [line.partition(":") for line in options["metadata"].splitlines() if line.strip()]
    if lines:
        found["metadata"] = {key.strip(): value.strip() for key, _, value in lines}
    if options["webhook_url"]:
        found["webhook_url"] = options["webhook_url"]
    return found


def _number(text: str) -> int | float | str:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text
