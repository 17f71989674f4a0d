"""Run the worker of http_request: claim attempts of the http pool, and send their requests."""

import asyncio
import logging
import signal
import threading
from typing import Final

from app.broker.ring import HTTP, RINGS
from app.core import logging as structured_logging
from app.core import open_files
from app.core.config import Settings, get_settings
from app.core.secrets import get_secrets
from app.db import Database
from app.http_requests import task_type
from app.http_requests.requester import Requester
from app.metrics import serving
from app.outbound import resolver
from app.outbound.destinations import Destinations
from app.outbound.exchange import Exchanges
from app.processes import schema
from app.quotas.rate import Rates
from app.tasks.definition import types
from app.tenants.webhook_secrets import SecretOpener
from app.worker.aio.worker import AsyncioWorker
from app.worker.runtime import Runtime

_log = logging.getLogger(__name__)

_ROLE: Final = "tq_http"
_RATE_PREFIX: Final = "rate.http"


def run() -> None:
    """Work until a SIGTERM. Then let the requests end for ``WORKER_DRAIN_SECONDS``, and give back the rest."""
    settings = get_settings()
    structured_logging.configure(settings.log_level, service="http")
    serving.start("http")
    # A connection for each request, with room for those that close slowly.
    open_files.raise_limit()
    resolver.bound_system_resolver()
    # This process opens signing secrets, so it never loads the operator's code.
    types.load_only(types.HTTP_REQUEST)
    # Before the first claim: a worker that is started with a new version may be earlier than the migration.
    asyncio.run(_wait_for_schema())
    worker = AsyncioWorker(settings.worker_http_requests, pool=HTTP, role=_ROLE)
    worker.begin([RINGS[HTTP].queue])
    stopping = threading.Event()
    _stop_on_signals(worker, stopping, settings)
    task_type.send_by(worker.runtime.run(_requester(worker.runtime, settings)).send)
    worker.consume()
    _log.info("http requests are sent")
    stopping.wait()
    worker.close()


def _stop_on_signals(worker: AsyncioWorker, stopping: threading.Event, settings: Settings) -> None:
    def stop(number: int, _: object) -> None:
        # SIGQUIT does not wait for requests under way, as in Celery's workers.
        worker.drain(0 if number == signal.SIGQUIT else settings.worker_drain_seconds)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, stop)


async def _requester(runtime: Runtime, settings: Settings) -> Requester:
    judge = Destinations.of(settings, settings.http_request_allowed_networks)
    rates = Rates(runtime.redis, prefix=_RATE_PREFIX)
    opener = SecretOpener(get_secrets())
    exchanges = Exchanges(judge.may_go_to)
    # A quarter of the slots may be kept by requests that wait for their host.
    max_waiting = settings.worker_http_requests // 4
    return Requester(runtime.database, rates, exchanges, opener, runtime.loop.time, max_waiting=max_waiting)


async def _wait_for_schema() -> None:
    database = Database(_ROLE, size=1)
    try:
        await schema.wait_until_it_fits(database)
    finally:
        await database.close()
