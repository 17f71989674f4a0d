"""Offer each task type as a tool, and two tools for clients that cannot follow a task themselves."""

import json
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Any, Final

from mcp_types import CallToolResult, TextContent, Tool, ToolAnnotations
from starlette.requests import Request

from app.core.errors import InvalidRequest, NotFound, Problem
from app.mcp import acts
from app.tasks.definition import types
from app.tasks.definition.types import TaskType

_PAYLOAD: Final = "payload"
_TASK_ID: Final = {"task_id": {"type": "string", "format": "uuid", "description": "The id of the task."}}
_WAIT: Final = {
    "type": "number",
    "minimum": 0,
    "maximum": acts.WAIT_SECONDS,
    "description": "Seconds to wait for the end of the task. Default: 0.",
}


@cache
def all_tools() -> tuple[Tool, ...]:
    """Return every tool. The names of the two others have a hyphen, which no task type has."""
    return (*map(_tool, types.all_types().values()), _GET, _CANCEL)


def _tool(task_type: TaskType) -> Tool:
    return Tool(
        name=task_type.name,
        description=task_type.summary,
        input_schema=input_schema(task_type),
        annotations=ToolAnnotations(destructive_hint=False, idempotent_hint=False),
    )


def input_schema(task_type: TaskType) -> dict[str, Any]:
    """Return the schema of a tool's arguments: that of the payload, or of an object with a payload that is none."""
    schema = task_type.payload.model_json_schema()
    if not _is_wrapped(task_type.name):
        return schema
    # References in the schema begin at its root, so the definitions must move there with it.
    definitions = schema.pop("$defs", None)
    properties = {_PAYLOAD: schema}
    wrapped = {"type": "object", "properties": properties, "required": [_PAYLOAD], "additionalProperties": False}
    return wrapped | ({"$defs": definitions} if definitions else {})


def payload_of(task_type: TaskType, arguments: dict[str, Any]) -> Any:
    """Return the payload of a call. Raises ``InvalidRequest``."""
    if not _is_wrapped(task_type.name):
        return arguments
    if arguments.keys() != {_PAYLOAD}:
        raise InvalidRequest("This tool takes one argument, payload. Send it, and no other.")
    return arguments[_PAYLOAD]


@cache
def _is_wrapped(name: str) -> bool:
    # The arguments of a tool are an object, and the payload of a task may be any JSON.
    return types.all_types()[name].payload.model_json_schema().get("type") != "object"


_GET: Final = Tool(
    name="get-task",
    description="Return the status of a task, and its result once it has ended.",
    input_schema={
        "type": "object",
        "properties": {**_TASK_ID, "wait_seconds": _WAIT},
        "required": ["task_id"],
        "additionalProperties": False,
    },
    annotations=ToolAnnotations(read_only_hint=True),
)
_CANCEL: Final = Tool(
    name="cancel-task",
    description="Cancel a task that waits or runs. One that runs ends within 5 seconds.",
    input_schema={"type": "object", "properties": _TASK_ID, "required": ["task_id"], "additionalProperties": False},
    annotations=ToolAnnotations(destructive_hint=True, idempotent_hint=True),
)


async def call(
    request: Request, name: str, arguments: dict[str, Any], meta: Mapping[str, Any] | None
) -> CallToolResult:
    """Answer the call of a tool by a client that waits for the result itself."""
    own = _OWN.get(name)
    if own is not None:
        return await own(request, arguments)
    task_type = types.find(name)
    if task_type is None:
        raise NotFound("There is no such tool. tools/list lists all.")
    task_id = await acts.submit(request, name, payload_of(task_type, arguments), meta)
    ended = await acts.outcome(request, task_id, acts.patience(request))
    return ended or _told(
        f"The task {task_id} was accepted, and has not ended yet. Call get-task with this task_id for its result."
    )


async def _get(request: Request, arguments: dict[str, Any]) -> CallToolResult:
    task_id, wait = _task_id(arguments), arguments.get("wait_seconds", 0)
    # bool is a subclass of int, so true would count as one second.
    if isinstance(wait, bool) or not isinstance(wait, int | float) or not 0 <= wait <= acts.WAIT_SECONDS:
        raise InvalidRequest(f"wait_seconds is a number from 0 to {acts.WAIT_SECONDS:g}.")
    ended = await acts.outcome(request, task_id, wait)
    return ended or _told(json.dumps(await acts.status(request, task_id), ensure_ascii=False))


async def _cancel(request: Request, arguments: dict[str, Any]) -> CallToolResult:
    task_id = _task_id(arguments)
    await acts.cancel(request, task_id)
    return _told(f"The task {task_id} is cancelled, or ends within 5 seconds.")


def _task_id(arguments: dict[str, Any]) -> Any:
    text = arguments.get("task_id")
    if not isinstance(text, str):
        raise InvalidRequest("Send task_id, the id of a task.")
    return acts.read_id(text)


def _told(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=text)])


_OWN: Final[dict[str, Callable[[Request, dict[str, Any]], Awaitable[CallToolResult]]]] = {
    _GET.name: _get,
    _CANCEL.name: _cancel,
}


def describe(problem: Problem) -> str:
    """Return a problem as a sentence for an agent: what is wrong, where, and what to do."""
    places = (
        f"{fault.get('pointer') or fault.get('parameter') or fault.get('header')}: {fault['detail']}"
        for fault in problem.extensions.get("errors", ())
    )
    return " ".join((f"{problem.code}: {problem.detail}", *places))
