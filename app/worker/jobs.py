"""The connection to Celery: its one job, and the signals that start and stop a worker."""

import asyncio
import gc
import logging
import signal
from typing import Any, Final
from uuid import UUID

from billiard import current_process
from billiard.exceptions import WorkerLostError
from celery import Task
from celery.apps import worker as celery_worker
from celery.concurrency.thread import TaskPool as Threads
from celery.signals import (
    celeryd_init,
    setup_logging,
    worker_init,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)
from celery.worker import state as celery_state

from app.broker.envelope import TICKET_TASK
from app.broker.ring import pool_of
from app.celery_app import celery_app
from app.core import logging as structured_logging
from app.core.config import get_settings
from app.db import Database
from app.metrics import serving
from app.processes import schema
from app.tasks.definition import types
from app.worker.aio.worker import AsyncioWorker
from app.worker.pools import WorkerPool
from app.worker.prefork.worker import PreforkWorker

_log = logging.getLogger(__name__)

# The garbage collector looks at new objects once there are so many.
_YOUNG_OBJECTS: Final = 10_000
# Celery's loggers that report a child killed by the supervisor as an error.
_TELL_OF_KILLED_CHILDREN: Final = ("celery.worker.request", "celery.app.trace", "celery.worker.state")


class _ThisProcess:
    """The state of this worker process; Celery's signals set it."""

    pool: WorkerPool


@celery_app.task(name=TICKET_TASK, bind=True, max_retries=0, ignore_result=True)
def run_next(self: "Task[Any, Any]", tenant_id: str) -> None:
    """Serve a tenant's ticket: run its next due task, and if that task was short, the tenant's next ones too.

    Celery's own retry, ETA, time limits and revoke are not used: this job is a ticket, not the task.
    """
    # The routing key is the tenant's queue, and the queue's name tells the pool.
    pool = pool_of(str((self.request.delivery_info or {})["routing_key"]))
    if pool is not None:
        _ThisProcess.pool.serve(UUID(tenant_id), pool)


@celeryd_init.connect
def _write_json_from_the_start(**_: Any) -> None:
    # Celery may log before it reads its options, for example a warning about running as root.
    structured_logging.configure(logging.WARNING, service="worker")


@setup_logging.connect
def _set_up_logging(loglevel: int, **_: Any) -> None:
    # Replaces Celery's logging, which writes lines for every ticket. The level is that of --loglevel.
    structured_logging.configure(loglevel, service="worker")
    # Celery writes its shutdown messages as plain text, from a signal handler.
    vars(celery_worker)["safe_say"] = structured_logging.say
    logging.getLogger("celery").setLevel(logging.WARNING)
    for name in _TELL_OF_KILLED_CHILDREN:
        logging.getLogger(name).addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    # The supervisor has already logged which attempt the killed child ran, and why.
    return not (record.exc_info and isinstance(record.exc_info[1], WorkerLostError))


@worker_init.connect
def _prepare(sender: Any, **_: Any) -> None:
    # Without Celery's banner: each line of the log is JSON.
    sender.quiet = True
    is_threads = isinstance(sender.pool_cls, type) and issubclass(sender.pool_cls, Threads)
    _ThisProcess.pool = (
        AsyncioWorker(get_settings().worker_asyncio_tasks)
        if is_threads
        else PreforkWorker(int(sender.concurrency or 1))
    )
    types.load_or_exit()
    asyncio.run(_wait_for_schema())
    # The objects that exist now live as long as the worker. Collections skip frozen ones, so their pages stay shared.
    gc.collect()
    gc.freeze()
    # Attempts under way hold thousands of objects, and none of them is garbage. A look at each 700 would find nothing.
    gc.set_threshold(_YOUNG_OBJECTS, 20, 20)


@worker_process_init.connect
def _start_child(**_: Any) -> None:
    # Celery sends this signal in each child after the fork. The thread pool of the asyncio worker has no children.
    if isinstance(_ThisProcess.pool, PreforkWorker):
        _ThisProcess.pool.join(getattr(current_process(), "index", 0), _queues())


async def _wait_for_schema() -> None:
    database = Database("tq_worker", size=1)
    try:
        await schema.wait_until_it_fits(database)
    finally:
        await database.close()


def _queues() -> list[str]:
    # The queues of -Q: Celery has read the option before it starts the children.
    return [*celery_app.amqp.queues.consume_from]


@worker_process_shutdown.connect
def _end_child(**_: Any) -> None:
    _ThisProcess.pool.close()


@worker_ready.connect
def _announce(**_: Any) -> None:
    _ThisProcess.pool.begin(_queues())
    if isinstance(_ThisProcess.pool, AsyncioWorker):
        # The main process of a prefork worker counts for its children, too, and starts its metrics itself.
        serving.start("worker")
    # Not at import: by now Celery has set its own SIGQUIT handler, which this one replaces.
    signal.signal(signal.SIGQUIT, _stop_now)


@worker_shutting_down.connect
def _drain(**_: Any) -> None:
    _ThisProcess.pool.drain(get_settings().worker_drain_seconds)


def _stop_now(*_: Any) -> None:
    # Replaces Celery's cold shutdown, which would end the children during an attempt without giving it back.
    _ThisProcess.pool.drain(0)
    vars(celery_state)["should_stop"] = 0  # the exit code


@worker_shutdown.connect
def _say_goodbye(**_: Any) -> None:
    _ThisProcess.pool.close()
