"""Make the server of the Model Context Protocol from parts of the package: handlers and one extension."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from mcp.server.context import HandlerResult
from mcp.server.extension import MethodBinding, compose_tool_call_handler
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, CallToolRequestParams, ListToolsResult

from app.core.errors import InvalidRequest, NotFound, Problem, Unavailable
from app.http import problem, problem_pages
from app.http.version import API_VERSION
from app.identity.dependencies import permitted
from app.identity.scopes import TASKS_READ
from app.mcp import acts, tools
from app.mcp.task_extension import Context, TaskExtension, request_of

_INSTRUCTIONS = (
    "Each tool runs a task in the background. A task that was accepted finishes, also if you disconnect. Where a call "
    "returns before the end of its task, follow the task: by tasks/get, or by the tool get-task."
)

Handler: TypeAlias = Callable[[Context, Any], Awaitable[HandlerResult]]
Errors: TypeAlias = tuple[type[Exception], ...]


def make(away: Errors) -> Server[Any]:
    """Return the server. It keeps nothing between two requests, so every api process may answer each of them.

    Errors of the types in ``away`` mean that a server is away.
    """
    server: Server[Any] = Server(
        "task-queue",
        version=API_VERSION,
        title="Task Queue Worker API",
        instructions=_INSTRUCTIONS,
        on_list_tools=refusing(_list_tools, away),
        get_tool_input_schema=_schema_of,
    )
    extension = TaskExtension()
    call = compose_tool_call_handler([extension], _call_tool)
    server.add_request_handler("tools/call", CallToolRequestParams, told_problems(call, away))
    for method in extension.methods():
        server.add_request_handler(method.method, method.params_type, _gated(method, away))
    server.extensions[extension.identifier] = extension.settings()
    return server


async def _list_tools(ctx: Context, _: Any) -> ListToolsResult:
    permitted(acts.caller_of(request_of(ctx)), TASKS_READ)
    return ListToolsResult(tools=list(tools.all_tools()))


def _schema_of(name: str) -> dict[str, Any] | None:
    # The transport compares headers with it. Without this function it would list all tools for each call.
    return next((tool.input_schema for tool in tools.all_tools() if tool.name == name), None)


async def _call_tool(ctx: Context, params: CallToolRequestParams) -> HandlerResult:
    return await tools.call(request_of(ctx), params.name, params.arguments or {}, params.meta)


def told_problems(call: Handler, away: Errors) -> Handler:
    """Let a call return its problems as a result, and not as an error of the protocol: the agent can correct its call.

    Raises ``MCPError`` only.
    """

    async def told(ctx: Context, params: Any) -> HandlerResult:
        try:
            return await _safely(call, away, ctx, params)
        except Problem as error:
            return acts.failed(tools.describe(error))

    return told


def refusing(handler: Handler, away: Errors) -> Any:
    """Let a handler raise its problems as errors of the protocol. Raises ``MCPError`` only."""

    async def refuse(ctx: Context, params: Any) -> HandlerResult:
        try:
            return await _safely(handler, away, ctx, params)
        except Problem as error:
            raise _protocol_error(error) from None

    return refuse


async def _safely(handler: Handler, away: Errors, ctx: Context, params: Any) -> HandlerResult:
    """Call a handler. Raises ``Problem`` and ``MCPError`` only: the package would show other errors to the caller."""
    try:
        return await handler(ctx, params)
    except (Problem, MCPError):
        raise
    except away:
        raise Unavailable from None
    except Exception as error:  # noqa: BLE001 it is logged, and told in other words
        problem.log_internal(request_of(ctx).scope, error)
        raise MCPError(code=INTERNAL_ERROR, message="The request failed by a fault of the service.") from None


def _gated(method: MethodBinding, away: Errors) -> Any:
    handler: Handler = refusing(method.handler, away)

    async def gated(ctx: Context, params: Any) -> HandlerResult:
        # As if the method did not exist: clients of the older generation do not know these methods.
        if ctx.protocol_version not in (method.protocol_versions or ()):
            raise MCPError(code=METHOD_NOT_FOUND, message="Method not found", data=method.method)
        return await handler(ctx, params)

    return gated


def _protocol_error(error: Problem) -> MCPError:
    is_of_caller = isinstance(error, InvalidRequest | NotFound) or error.status < 500  # noqa: PLR2004 an HTTP status
    data = {"type": problem_pages.address(error.code), "code": error.code, "status": error.status}
    return MCPError(code=INVALID_REQUEST if is_of_caller else INTERNAL_ERROR, message=error.detail, data=data)
