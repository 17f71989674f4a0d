"""The Celery side: the one job, and what the worker's processes set up around it."""

import ctypes
import gc
import logging
import signal
from concurrent.futures import Future
from typing import Any, Final
from uuid import UUID, uuid4

from billiard import current_process
from billiard.exceptions import WorkerLostError
from celery.signals import (
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
from app.broker.ring import PREFORK
from app.celery_app import celery_app
from app.core import logging as structured_logging
from app.core.config import get_settings
from app.tasks import types
from app.worker import heartbeat
from app.worker.board import Board
from app.worker.drain import drain
from app.worker.runtime import Runtime
from app.worker.turn import Turn
from app.worker.watch import Watch

_log = logging.getLogger(__name__)

_TELL_OF_KILLED_CHILDREN: Final = ("celery.worker.request", "celery.app.trace", "celery.worker.state")
_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h


class _Worker:
    """What this process has, as the signals set it up: the main process before the fork, each child after it."""

    worker_id: UUID
    board: Board
    slots: int
    runtime: Runtime
    row: int = 0


@celery_app.task(name=TICKET_TASK, max_retries=0, ignore_result=True)
def run_next(tenant_id: str) -> None:
    """Take the tenant's turn: run its next due task, and where that was short, those after it.

    Celery's own retry, ETA, time limits and revoke are of no use here: the job is a ticket, not the task.
    """
    Turn(
        _Worker.runtime,
        _Worker.board,
        _Worker.row,
        tenant_id=UUID(tenant_id),
        pool=PREFORK,
        worker_id=_Worker.worker_id,
    ).take()


@setup_logging.connect
def _set_up_logging(**_: Any) -> None:
    # Ours instead of Celery's, which says of every ticket that it came and went.
    structured_logging.configure(get_settings().log_level)
    logging.getLogger("celery").setLevel(logging.WARNING)
    for name in _TELL_OF_KILLED_CHILDREN:
        logging.getLogger(name).addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    # Of a child that was killed the watch has said which attempt it ran, and why.
    return not (record.exc_info and isinstance(record.exc_info[1], WorkerLostError))


@worker_init.connect
def _prepare(sender: Any, **_: Any) -> None:
    _Worker.worker_id = uuid4()
    _Worker.slots = int(sender.concurrency or 1)
    _Worker.board = Board(_Worker.slots)
    types.load_or_exit()
    # What is loaded by now lives as long as the worker: a collection that passes over it leaves the pages shared.
    gc.collect()
    gc.freeze()


@worker_process_init.connect
def _start_child(**_: Any) -> None:
    # A child that outlived its main process would run on unwatched, beside the attempt that follows.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _Worker.row = _Worker.board.join(getattr(current_process(), "index", 0))
    _Worker.runtime = Runtime()


@worker_process_shutdown.connect
def _end_child(**_: Any) -> None:
    _Worker.runtime.close()


@worker_ready.connect
def _announce(**_: Any) -> None:
    # After the fork: no child inherits the thread or its connections.
    runtime = _Worker.runtime = Runtime(connections=2)
    beat = heartbeat.beat(runtime.database, _Worker.board, _Worker.worker_id, pool=PREFORK, slots=_Worker.slots)
    watch = Watch(runtime, _Worker.board, pool=PREFORK).run(get_settings().redis_url)
    signal.signal(signal.SIGQUIT, _stop_now)
    for duty in (beat, watch):
        runtime.start(duty).add_done_callback(_report)


def _report(duty: "Future[None]") -> None:
    if not duty.cancelled() and (error := duty.exception()):
        _log.critical("a duty of the worker's main process has ended: restart the worker", exc_info=error)


@worker_shutting_down.connect
def _drain(**_: Any) -> None:
    _begin_drain(get_settings().worker_drain_seconds)


def _stop_now(*_: Any) -> None:
    # Instead of Celery's cold shutdown, which would end the children in the middle of an attempt and tell nobody.
    _begin_drain(0)
    vars(celery_state)["should_stop"] = 0  # the exit code


def _begin_drain(seconds: float) -> None:
    # In a signal's handler: no more than to have it begun.
    if hasattr(_Worker, "runtime"):
        _Worker.runtime.start(drain(_Worker.runtime, _Worker.board, pool=PREFORK, seconds=seconds))


@worker_shutdown.connect
def _say_goodbye(**_: Any) -> None:
    if hasattr(_Worker, "runtime"):
        _Worker.runtime.close()
