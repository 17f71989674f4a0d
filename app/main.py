"""The API: ``uvicorn app.main:app``."""

import contextlib
import gc
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Final

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from starlette.routing import BaseRoute

from app import api_parts
from app.accounts.auth_router import router as auth_router
from app.accounts.portal_router import router as portal_router
from app.accounts.router import router as accounts_router
from app.audit.router import router as audit_router
from app.clients import routes as client_routes
from app.core import logging as structured_logging
from app.core import open_files
from app.core.config import get_settings
from app.core.errors import (
    InsufficientScope,
    InvalidCredentials,
    RateLimited,
    TenantSuspended,
    Unauthenticated,
    Unavailable,
)
from app.db import AWAY
from app.events.operations import OPERATIONS as EVENT_OPERATIONS
from app.guide import routes as guide_routes
from app.http import calls, dispatcher, document_rules, openapi, problem, problem_pages, request_defaults, vocabulary
from app.http.cors import Cors
from app.http.dispatcher import Dispatcher
from app.http.front_page import ROUTES as FRONT_PAGES
from app.http.operation import Operation
from app.http.reference import ROUTES as REFERENCE
from app.http.request_log import LoggedApp, RequestLog
from app.identity.dependencies import RATED
from app.metrics import gauges, serving
from app.monitoring import probe_metrics
from app.monitoring.router import router as health_router
from app.operations.call_table import CALL_TABLE
from app.quotas.me_router import router as me_router
from app.quotas.router import router as quotas_router
from app.remote.call_table import CALL_TABLE as REMOTE_CALL_TABLE
from app.schedules.call_table import CALL_TABLE as SCHEDULE_CALL_TABLE
from app.stats.operations import OPERATIONS as STATS_OPERATIONS
from app.task_errors.call_table import CALL_TABLE as ERROR_CALL_TABLE
from app.tasks.definition import types
from app.tasks.document import with_task_types
from app.tasks.operations import OPERATIONS
from app.webhooks.endpoints.operations import OPERATIONS as WEBHOOK_OPERATIONS
from app.webhooks.history.call_table import DELIVERY_CALLS
from app.webhooks.schemas import TaskEvent, WebhookEvent

_DESCRIPTION: Final = """\
Submit long-running tasks, follow them, fetch results. **Accepted means it will finish.**

Every call needs an API key or a token as `Authorization: Bearer …`, and belongs to one tenant. Bodies are JSON, times
are RFC 3339 with a UTC offset, and every error is a problem (RFC 9457) with a stable `code` and a sentence that says
what to do. This is version 1: answers may get new members, and enumerations of answers new values. Ignore what you do
not know.
"""

_TAGS: Final = [
    {"name": "tasks", "description": "Submit tasks, follow them, fetch their results."},
    {"name": "events", "description": "Follow what happens to your tasks."},
    {"name": "schedules", "description": "Tasks that the service submits by itself, at the times that you say."},
    {"name": "work", "description": "Task types of your own, and the calls of the workers that run them."},
    {"name": "operations", "description": "Act on many tasks or deliveries at once, in the background."},
    {"name": "errors", "description": "What fails in your tasks, counted, and each error until it is resolved."},
    {"name": "stats", "description": "What happened to your tasks over time."},
    {"name": "webhooks", "description": "Endpoints of yours that get events, the secrets that sign, and deliveries."},
    {"name": "limits", "description": "The limits of your plan, and what you have used."},
    {"name": "accounts", "description": "API keys, and the members who may log in."},
    {"name": "audit", "description": "Who changed keys, members or the tenant."},
    {"name": "auth", "description": "Short tokens for API keys and for members."},
    {"name": "health", "description": "Probes for load balancers and operators."},
]

_TABLES: Final[Sequence[tuple[Sequence[Operation], str]]] = (
    (OPERATIONS, "tasks"),
    (EVENT_OPERATIONS, "events"),
    (SCHEDULE_CALL_TABLE, "schedules"),
    (REMOTE_CALL_TABLE, "work"),
    (CALL_TABLE, "operations"),
    (ERROR_CALL_TABLE, "errors"),
    (STATS_OPERATIONS, "stats"),
    ([*WEBHOOK_OPERATIONS, *DELIVERY_CALLS], "webhooks"),
)
"""The tables of calls, each with its tag."""
# The garbage collector looks at new objects once there are so many.
_YOUNG_OBJECTS: Final = 10_000
# Errors that mean that a server is away.
_AWAY: Final = (*AWAY, RedisConnectionError, RedisTimeoutError)

EVERY_CALL: Final = (
    InvalidCredentials,
    Unauthenticated,
    InsufficientScope,
    TenantSuspended,
    RateLimited,
    Unavailable,
)
"""The errors that every rated call may end in."""


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    structured_logging.configure(get_settings().log_level, service="api")
    open_files.raise_limit()
    types.load_or_exit()
    if origins := get_settings().cors_origins:
        assert isinstance(app, LoggedApp)  # noqa: S101 create_app has made it
        # Only now, because without origins no request pays for it, and settings are read at the start.
        app.front.insert(lambda inner: Cors(inner, origins))
    async with api_parts.opened() as parts, contextlib.AsyncExitStack() as stack:
        parts.attach(app)
        if serving.start("api") is not None:
            gauges.add(probe_metrics.source(parts.readiness))
        if get_settings().console == "on":
            # Only now: an api without the console imports none of it, and the document of the API has none of it.
            from app.console.app import Console  # noqa: PLC0415

            app.router.routes.append(Console())
        if get_settings().clients == "on":
            app.router.routes.extend(client_routes.routes())
        if get_settings().guide == "on":
            app.router.routes.extend(guide_routes.routes())
        if get_settings().mcp == "on":
            app.router.routes.append(await stack.enter_async_context(_mcp()))
        # What is here lives for ever: to look for garbage among it takes a tenth of the process's time under load.
        gc.freeze()
        # Requests under way hold some thousand objects, none of them garbage: to look at each 700 finds nothing.
        gc.set_threshold(_YOUNG_OBJECTS, 20, 20)
        yield


@contextlib.asynccontextmanager
async def _mcp() -> AsyncIterator[BaseRoute]:
    """Yield the route for agents. Without the packages that it needs the process ends with a line that names them."""
    try:
        # Only now: they take 17 MB, and most services have no agents.
        from app.mcp.endpoint import Mcp  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        sys.exit(f"MCP=on needs the package {package}: pip install --require-hashes -r requirements-mcp.txt")
    route = Mcp(_AWAY)
    async with route.running():
        yield route


def create_app() -> FastAPI:
    """Build the application; what it needs is opened when it starts."""
    made = LoggedApp(
        title="Task Queue Worker API",
        version="0.1.0",
        openapi_tags=_TAGS,
        description=_DESCRIPTION,
        license_info={"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        contact={"name": "The operator of this service"},
        servers=[{"url": "/", "description": "The service that serves this document."}],
        lifespan=_lifespan,
        redirect_slashes=False,
        # app/http/reference.py has a page of our own instead, which loads nothing from another host.
        docs_url=None,
        redoc_url=None,
    )
    problem.install(made, away=_AWAY)
    tables = [dispatcher.router(table, tag=tag) for table, tag in _TABLES]
    routes = [route for table in tables for route in table.routes]
    dispatched = Dispatcher(made.answer_by_fastapi, routes, made.exception_handlers)
    made.front = RequestLog(dispatched, dispatched.ready)
    made.router.routes += [*FRONT_PAGES, *REFERENCE, *problem_pages.ROUTES]
    for table in tables:
        made.include_router(table)
    made.include_router(quotas_router)
    made.include_router(me_router)
    made.include_router(accounts_router, dependencies=[RATED])
    made.include_router(portal_router, dependencies=[RATED])
    made.include_router(audit_router, dependencies=[RATED])
    made.include_router(auth_router)
    made.include_router(health_router)
    rated = (*tables, quotas_router, me_router, accounts_router, portal_router, audit_router)
    routers = (*rated, auth_router, health_router)
    calls.install(made, [route for router in routers for route in router.routes])
    _document_events(made)
    _complete_document(made, rated=rated)
    return made


def _complete_document(made: FastAPI, rated: Sequence[APIRouter]) -> None:
    ids = [route.operation_id for router in rated for route in router.routes if isinstance(route, APIRoute)]
    openapi.amend(made, lambda described: document_rules.add_problems(described, ids, *EVERY_CALL))
    openapi.amend(made, vocabulary.describe_members)
    openapi.amend(made, with_task_types)
    openapi.amend(made, document_rules.apply)
    openapi.amend(made, request_defaults.as_text)
    openapi.serve(made)


def _document_events(made: FastAPI) -> None:
    """Describe what is sent to a webhook_url and to endpoints; nothing here answers a request."""

    def receive(body: TaskEvent) -> None:
        """Answer 2xx within 15 s, after the signature holds. Anything else is sent again, with the same webhook-id."""

    made.webhooks.post(
        "task.ended",
        operation_id="receive_task_event",
        summary="A task has ended",
        status_code=204,
        openapi_extra={"security": []},
        responses={"default": {"description": "Sent again: 10 tries within 75 hours."}},
    )(receive)

    def receive_any(body: WebhookEvent) -> None:
        """Answer 2xx within 15 s, after the signature holds. 410 disables the endpoint."""

    made.webhooks.post(
        "event",
        operation_id="receive_event",
        summary="An event for an endpoint",
        status_code=204,
        openapi_extra={"security": []},
        responses={"default": {"description": "Sent again: 10 attempts within 75 hours."}},
    )(receive_any)


if structured_logging.is_uvicorn_set_up():
    # Served, not only imported: what uvicorn says before the application starts is JSON as well.
    structured_logging.configure("info", service="api")

app: Final = create_app()
