"""The API: ``uvicorn app.main:app``."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Coroutine, Sequence
from functools import cached_property
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from starlette.types import ASGIApp, Receive, Scope, Send

from app.accounts.auth_router import router as auth_router
from app.accounts.router import router as accounts_router
from app.accounts.tokens import Tokens
from app.audit.router import router as audit_router
from app.broker import timelines
from app.broker.redis_check import RedisCheck
from app.broker.wakeups import Waiters
from app.core import logging as structured_logging
from app.core import open_files
from app.core import redis as redis_connections
from app.core.config import get_settings
from app.core.errors import (
    InsufficientScope,
    InvalidCredentials,
    RateLimited,
    TenantSuspended,
    Unauthenticated,
    Unavailable,
)
from app.core.secrets import get_secrets
from app.db import AWAY, Database
from app.http import calls, document_rules, openapi, pagination, problem
from app.http.list_limit import ListLimit
from app.http.request_log import RequestLog
from app.identity.dependencies import RATED
from app.identity.keyring import Keyring
from app.identity.verify import Verifier
from app.monitoring.readiness import ReadinessProbe
from app.monitoring.router import router as health_router
from app.quotas import dependencies as quotas
from app.quotas.admission import Admission
from app.quotas.router import router as quotas_router
from app.tasks import partitions, types
from app.tasks.document import with_task_types
from app.tasks.fast_path import FastPath
from app.tasks.large_bodies import LargeBodies
from app.tasks.reading import Reading
from app.tasks.router import router as tasks_router
from app.tasks.submit.accept import Acceptor
from app.webhooks.schemas import TaskEvent

_DESCRIPTION: Final = "Submit long-running tasks, follow them, fetch results. **Accepted means it will finish.**"

_TAGS: Final = [
    {"name": "tasks", "description": "Submit tasks, follow them, fetch their results."},
    {"name": "limits", "description": "The limits of your plan, and what you have used."},
    {"name": "accounts", "description": "API keys, and the members who may log in."},
    {"name": "audit", "description": "Who changed keys, members or the tenant."},
    {"name": "auth", "description": "Short tokens for API keys and for members."},
    {"name": "health", "description": "Probes for load balancers and operators."},
]

# With the time to get a connection, a caller is told within 2 s that Postgres does not answer.
_COMMAND_TIMEOUT: Final = 1.5

_YOUNG_OBJECTS: Final = 10_000

_EVERY_CALL: Final = (
    InvalidCredentials,
    Unauthenticated,
    InsufficientScope,
    TenantSuspended,
    RateLimited,
    Unavailable,
)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings, secrets = get_settings(), get_secrets()
    structured_logging.configure(settings.log_level, service="api")
    open_files.raise_limit()
    types.load_or_exit()
    async with contextlib.AsyncExitStack() as stack:
        reader, submit, auth = (_database(stack, role) for role in ("tq_api", "tq_submit", "tq_auth"))
        redis = redis_connections.connect(settings.redis_url)
        stack.push_async_callback(redis.aclose)
        # Before the first connection to Postgres: which may be an old primary.
        await timelines.exchange(redis)
        _keep_up(stack, "timelines", timelines.follow(redis))
        waiters = Waiters(settings.redis_url)
        await waiters.start()
        stack.push_async_callback(waiters.close)
        accounts, keys = _database(stack, "tq_account"), Keyring(settings.secrets_file)
        verifier = Verifier(auth, secrets.pepper, keys)
        _keep_up(stack, "open-files", open_files.OpenFiles().run())
        _keep_up(stack, "auth-epoch", verifier.run())
        # No dispatcher may have run for long, and a backup may be of another month.
        _keep_up(stack, "partitions", partitions.keep_as_submitter())
        admission = app.state.admission = Admission(redis)
        stack.callback(admission.close)
        acceptor = app.state.acceptor = Acceptor(submit, reader, redis)
        stack.push_async_callback(acceptor.close)
        large_bodies = app.state.large_bodies = LargeBodies()
        stack.callback(large_bodies.close)
        app.state.accounts, app.state.tokens = accounts, Tokens(accounts, auth, verifier, keys)
        stack.callback(app.state.tokens.close)
        app.state.reader, app.state.redis, app.state.reading = reader, redis, Reading(reader, waiters)
        stack.push_async_callback(app.state.reading.close)
        app.state.verifier = verifier
        app.state.count_call = quotas.count
        app.state.readiness = _readiness(redis, waiters, (reader, submit, auth, accounts))
        stack.push_async_callback(app.state.readiness.close)
        await app.state.readiness.start()
        app.state.list_limit = ListLimit(settings.database_pool_size, app.state.reading.require_postgres)
        app.state.cursor_key = pagination.derive_key(secrets.pepper(secrets.pepper_id))
        # What is here lives for ever: to look for garbage among it takes a tenth of the process's time under load.
        gc.freeze()
        # Requests under way hold some thousand objects, none of them garbage: to look at each 700 finds nothing.
        gc.set_threshold(_YOUNG_OBJECTS, 20, 20)
        yield


def _readiness(redis: Redis, waiters: Waiters, databases: Sequence[Database]) -> ReadinessProbe:
    """Return the probe that looks at the servers; ``databases`` are left when Postgres turns out to be read-only."""
    # A connection of its own: it must not wait behind the requests.
    own = Database("tq_api", size=1, command_timeout=_COMMAND_TIMEOUT)
    return ReadinessProbe(own, RedisCheck(redis), others=databases, is_subscribed=lambda: waiters.healthy)


def _keep_up(stack: contextlib.AsyncExitStack, name: str, work: Coroutine[Any, Any, None]) -> None:
    """Run something in the background until the application ends."""
    stack.callback(asyncio.create_task(work, name=name).cancel)


def _database(stack: contextlib.AsyncExitStack, role: str) -> Database:
    database = Database(role, command_timeout=_COMMAND_TIMEOUT)
    stack.push_async_callback(database.close)
    return database


class Api(FastAPI):
    """The application. Its own layers lie around all of FastAPI, which a request on the fast path never meets."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let our layers answer a request; all else is FastAPI's."""
        if scope["type"] == "http":
            scope["app"] = self
            await self.front(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    @cached_property
    def front(self) -> ASGIApp:
        """Return the outermost ASGI app: the request log, with the fast path inside."""
        return RequestLog(FastPath(super().__call__, tasks_router.routes, self.exception_handlers))


def create_app() -> FastAPI:
    """Build the application; what it needs is opened when it starts."""
    made = Api(
        title="Task Queue Worker API",
        version="0.1.0",
        openapi_tags=_TAGS,
        description=_DESCRIPTION,
        lifespan=_lifespan,
        redirect_slashes=False,
    )
    problem.install(made, away=(*AWAY, RedisConnectionError, RedisTimeoutError))
    made.include_router(tasks_router)
    made.include_router(quotas_router)
    made.include_router(accounts_router, dependencies=[RATED])
    made.include_router(audit_router, dependencies=[RATED])
    made.include_router(auth_router)
    made.include_router(health_router)
    routers = (tasks_router, quotas_router, accounts_router, audit_router, auth_router, health_router)
    calls.install(made, [route for router in routers for route in router.routes])
    _document_events(made)
    _complete_document(made)
    return made


def _complete_document(made: FastAPI) -> None:
    rated = (tasks_router, quotas_router, accounts_router, audit_router)
    ids = [route.operation_id for router in rated for route in router.routes if isinstance(route, APIRoute)]
    openapi.amend(made, lambda described: document_rules.add_problems(described, ids, *_EVERY_CALL))
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
