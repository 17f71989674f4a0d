"""The API: ``uvicorn app.main:app``."""

import contextlib
import gc
from collections.abc import AsyncIterator, Sequence
from typing import Final

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from app import api_parts
from app.accounts.auth_router import router as auth_router
from app.accounts.router import router as accounts_router
from app.audit.router import router as audit_router
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
from app.http import calls, dispatcher, document_rules, openapi, problem
from app.http.cors import Cors
from app.http.dispatcher import Dispatcher
from app.http.request_log import LoggedApp, RequestLog
from app.identity.dependencies import RATED
from app.monitoring.router import router as health_router
from app.operations.call_table import CALL_TABLE
from app.quotas.router import router as quotas_router
from app.tasks.definition import types
from app.tasks.document import with_task_types
from app.tasks.operations import OPERATIONS
from app.webhooks.schemas import TaskEvent

_DESCRIPTION: Final = "Submit long-running tasks, follow them, fetch results. **Accepted means it will finish.**"

_TAGS: Final = [
    {"name": "tasks", "description": "Submit tasks, follow them, fetch their results."},
    {"name": "events", "description": "Follow what happens to your tasks."},
    {"name": "operations", "description": "Act on many tasks at once, in the background."},
    {"name": "limits", "description": "The limits of your plan, and what you have used."},
    {"name": "accounts", "description": "API keys, and the members who may log in."},
    {"name": "audit", "description": "Who changed keys, members or the tenant."},
    {"name": "auth", "description": "Short tokens for API keys and for members."},
    {"name": "health", "description": "Probes for load balancers and operators."},
]

# The garbage collector looks at new objects once there are so many.
_YOUNG_OBJECTS: Final = 10_000

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
    async with api_parts.opened() as parts:
        parts.attach(app)
        # What is here lives for ever: to look for garbage among it takes a tenth of the process's time under load.
        gc.freeze()
        # Requests under way hold some thousand objects, none of them garbage: to look at each 700 finds nothing.
        gc.set_threshold(_YOUNG_OBJECTS, 20, 20)
        yield


def create_app() -> FastAPI:
    """Build the application; what it needs is opened when it starts."""
    made = LoggedApp(
        title="Task Queue Worker API",
        version="0.1.0",
        openapi_tags=_TAGS,
        description=_DESCRIPTION,
        lifespan=_lifespan,
        redirect_slashes=False,
    )
    problem.install(made, away=(*AWAY, RedisConnectionError, RedisTimeoutError))
    tasks_router = dispatcher.router(OPERATIONS, tag="tasks")
    events_router = dispatcher.router(EVENT_OPERATIONS, tag="events")
    acts_router = dispatcher.router(CALL_TABLE, tag="operations")
    operations = [*tasks_router.routes, *events_router.routes, *acts_router.routes]
    dispatched = Dispatcher(made.answer_by_fastapi, operations, made.exception_handlers)
    made.front = RequestLog(dispatched, dispatched.ready)
    made.include_router(tasks_router)
    made.include_router(events_router)
    made.include_router(acts_router)
    made.include_router(quotas_router)
    made.include_router(accounts_router, dependencies=[RATED])
    made.include_router(audit_router, dependencies=[RATED])
    made.include_router(auth_router)
    made.include_router(health_router)
    rated = (tasks_router, events_router, acts_router, quotas_router, accounts_router, audit_router)
    routers = (*rated, auth_router, health_router)
    calls.install(made, [route for router in routers for route in router.routes])
    _document_events(made)
    _complete_document(made, rated=rated)
    return made


def _complete_document(made: FastAPI, rated: Sequence[APIRouter]) -> None:
    ids = [route.operation_id for router in rated for route in router.routes if isinstance(route, APIRoute)]
    openapi.amend(made, lambda described: document_rules.add_problems(described, ids, *EVERY_CALL))
    openapi.amend(made, with_task_types)
    openapi.amend(made, document_rules.apply)
    openapi.serve(made)


def _document_events(made: FastAPI) -> None:
    """Describe what is sent to a webhook_url; nothing here answers a request."""

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


if structured_logging.is_uvicorn_set_up():
    # Served, not only imported: what uvicorn says before the application starts is JSON as well.
    structured_logging.configure("info", service="api")

app: Final = create_app()
