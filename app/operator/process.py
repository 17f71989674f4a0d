"""Make the application of the operator's process, and open what it needs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Final

from fastapi import FastAPI
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.broker import timelines
from app.broker.redis_check import RedisCheck
from app.core import redis as redis_connections
from app.core.config import get_settings
from app.db import AWAY, Database
from app.http import problem
from app.http.request_log import LoggedApp, RequestLog
from app.metrics import gauges, serving
from app.monitoring import probe_metrics
from app.monitoring.readiness import ReadinessProbe
from app.monitoring.service_metrics import ServiceMetrics
from app.operator.app import OperatorPages
from app.operator.parts import OperatorParts
from app.processes import heartbeat
from app.processes.heartbeat import Rounds
from app.stats.service_hours import ServiceHours

_ROLE: Final = "tq_admin"
# Seconds for one statement: a page that takes longer says that Postgres does not answer.
_COMMAND_TIMEOUT: Final = 5.0
_POOL_SIZE: Final = 4
_ROUND_SECONDS: Final = 1.0


def create_app(console_url: str) -> LoggedApp:
    """Build the application. ``console_url`` is where a browser reaches the api."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with _opened(console_url) as parts:
            parts.attach(app)
            yield

    made = LoggedApp(openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan, redirect_slashes=False)
    problem.install(made, away=(*AWAY, RedisConnectionError, RedisTimeoutError))
    made.front = RequestLog(made.answer_by_fastapi)
    made.router.routes.append(OperatorPages())
    return made


@contextlib.asynccontextmanager
async def _opened(console_url: str) -> AsyncIterator[OperatorParts]:
    """Yield the parts of this process, which run until the context ends."""
    async with AsyncExitStack() as stack:
        redis = redis_connections.connect(get_settings().redis_url)
        stack.push_async_callback(redis.aclose)
        # Before the first connection to Postgres, which may be an old primary.
        await timelines.exchange(redis)
        # Pools of their own: slow pages that use all connections must not make the process look dead or not ready.
        database, probed, beating = (_database(stack, size) for size in (_POOL_SIZE, 1, 1))
        readiness = ReadinessProbe(probed, RedisCheck(redis), others=(database, beating), is_subscribed=lambda: True)
        rounds = Rounds()
        for work in (timelines.follow(redis), _turn(rounds), heartbeat.beat(beating, "operator", rounds)):
            stack.push_async_callback(_stop, asyncio.create_task(work))
        stack.push_async_callback(readiness.close)
        await readiness.start()
        if serving.start("operator") is not None:
            _show_service(stack, readiness)
        yield OperatorParts(
            database=database, readiness=readiness, hours=ServiceHours(database), console_url=console_url.rstrip("/")
        )


def _show_service(stack: AsyncExitStack, readiness: ReadinessProbe) -> None:
    """Export what this process sees of the servers and of the whole service."""
    gauges.add(probe_metrics.source(readiness))
    # A connection of its own: a look must not wait behind pages, nor they behind it.
    service = ServiceMetrics(_database(stack, 1), get_settings().metrics_tenants)
    gauges.add(service.values)
    stack.push_async_callback(_stop, asyncio.create_task(service.run()))


def _database(stack: AsyncExitStack, size: int) -> Database:
    database = Database(_ROLE, size=size, command_timeout=_COMMAND_TIMEOUT)
    stack.push_async_callback(database.close)
    return database


async def _turn(rounds: Rounds) -> None:
    """Note each second that the event loop still turns: a process that stands still writes no heartbeat."""
    while True:
        rounds.ended()
        await asyncio.sleep(_ROUND_SECONDS)


async def _stop(task: "asyncio.Task[None]") -> None:
    """Cancel a task, and wait until it has ended: the heartbeat deletes its row then."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
