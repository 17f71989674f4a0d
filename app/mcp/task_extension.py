"""The extension for tasks (``io.modelcontextprotocol/tasks``, schema 2026-07-28): a task is the answer to a call.

A task of the protocol is a task of the service, with the same id: it is stored before the answer, every api process
knows it, and it outlives a restart.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver.server import require_client_extension
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolRequestParams, RequestParams
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ConfigDict, Field
from starlette.requests import Request

from app.core.errors import IllegalState, NotFound, TaskErased
from app.mcp import acts, tools
from app.tasks.definition import types
from app.tasks.status import FINAL
from app.tenants import plans

IDENTIFIER: Final = "io.modelcontextprotocol/tasks"
_POLL_MILLISECONDS: Final = 2_000
_STATUS: Final = {"SUCCESS": "completed", "FAILURE": "completed", "REVOKED": "cancelled"}
"""Statuses of ended tasks. A failed task completed with an error: ``failed`` is for faults of JSON-RPC."""

Context = ServerRequestContext[Any, Request]


class TaskParams(RequestParams):
    """The parameters of ``tasks/get`` and ``tasks/cancel``."""

    task_id: str = Field(alias="taskId", max_length=64)


class UpdateParams(TaskParams):
    """The parameters of ``tasks/update``. No task asks for input, so every response is ignored."""

    model_config = ConfigDict(extra="ignore")

    input_responses: dict[str, Any] = Field(default_factory=dict, alias="inputResponses")


class TaskExtension(Extension):
    """Answers the calls of task types by clients that declare the extension."""

    identifier = IDENTIFIER

    def methods(self) -> Sequence[MethodBinding]:
        """Return the methods with which a client follows a task."""
        modern = frozenset(MODERN_PROTOCOL_VERSIONS)
        return (
            MethodBinding("tasks/get", TaskParams, _get, modern),
            MethodBinding("tasks/update", UpdateParams, _update, modern),
            MethodBinding("tasks/cancel", TaskParams, _cancel, modern),
        )

    async def intercept_tool_call(
        self, params: CallToolRequestParams, ctx: Context, call_next: CallNext
    ) -> HandlerResult:
        """Answer with a task once it is stored, if the client declares the extension with this request."""
        task_type = types.find(params.name)
        if task_type is None or not _is_declared(ctx):
            return await call_next(ctx)
        request = request_of(ctx)
        payload = tools.payload_of(task_type, params.arguments or {})
        task_id = await acts.submit(request, params.name, payload, params.meta)
        return {**_task(request, task_id, await acts.status(request, task_id)), "resultType": "task"}


def request_of(ctx: Context) -> Request:
    """Return the HTTP request of a message."""
    assert ctx.request is not None  # noqa: S101 there is no transport but HTTP
    return ctx.request


def _is_declared(ctx: Context) -> bool:
    # The older generation does not know tasks as answers, whatever its clients declare.
    if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        return False
    capabilities = ctx.session.client_capabilities
    return IDENTIFIER in ((capabilities.extensions if capabilities else None) or {})


async def _get(ctx: Context, params: TaskParams) -> HandlerResult:
    require_client_extension(ctx, IDENTIFIER)
    request = request_of(ctx)
    try:
        task_id = acts.read_id(params.task_id)
        status = await acts.status(request, task_id)
        described = _task(request, task_id, status)
        if described["status"] == "completed":
            ended = await acts.outcome(request, task_id)
            assert ended is not None  # noqa: S101 its status is final
            described["result"] = ended.model_dump(mode="json", by_alias=True, exclude_none=True)
    except (NotFound, TaskErased) as error:
        raise _unknown() from error
    return described


async def _update(ctx: Context, params: UpdateParams) -> HandlerResult:
    require_client_extension(ctx, IDENTIFIER)
    try:
        await acts.status(request_of(ctx), acts.read_id(params.task_id))
    except NotFound as error:
        raise _unknown() from error
    return {}


async def _cancel(ctx: Context, params: TaskParams) -> HandlerResult:
    require_client_extension(ctx, IDENTIFIER)
    try:
        await acts.cancel(request_of(ctx), acts.read_id(params.task_id))
    except NotFound as error:
        raise _unknown() from error
    except IllegalState:
        # It has ended already. A cancel says what is wished, and is acknowledged whatever comes of it.
        pass
    return {}


def _unknown() -> MCPError:
    return MCPError(code=INVALID_PARAMS, message="There is no such task, or it is past its retention.")


def _task(request: Request, task_id: UUID, status: dict[str, Any]) -> dict[str, Any]:
    """Return a task as the extension describes it, without its result."""
    changed_at = status["finished_at"] or status["started_at"] or status["created_at"]
    described = {
        "taskId": str(task_id),
        "status": _STATUS[status["status"]] if status["status"] in FINAL else "working",
        "createdAt": status["created_at"],
        "lastUpdatedAt": changed_at,
        "ttlMs": _ttl(request, status),
        "pollIntervalMs": _POLL_MILLISECONDS,
    }
    if message := _message(status):
        described["statusMessage"] = message
    return described


def _ttl(request: Request, status: dict[str, Any]) -> int | None:
    """Return for how many milliseconds after its creation the task is kept; null while it has not ended."""
    if status["finished_at"] is None:
        return None
    created_at, finished_at = (datetime.fromisoformat(status[name]) for name in ("created_at", "finished_at"))
    kept = timedelta(days=plans.limits_of(acts.caller_of(request)).retention_days)
    return int((finished_at - created_at + kept) / timedelta(milliseconds=1))


def _message(status: dict[str, Any]) -> str | None:
    if status["error"]:
        return f"{status['error']['type']}: {status['error']['message']}"
    progress = status["progress"]
    if progress and progress["note"]:
        return str(progress["note"])
    return status["waiting_reason"] and f"It waits: {status['waiting_reason']}"
