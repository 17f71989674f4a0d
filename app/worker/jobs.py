"""The Celery side: the one job, and what the worker's processes set up around it."""

import asyncio
import logging
from typing import Any
from uuid import UUID, uuid4

from billiard import current_process
from celery.signals import worker_init, worker_process_init, worker_process_shutdown, worker_ready, worker_shutdown

from app.broker.envelope import TICKET_TASK
from app.broker.ring import PREFORK
from app.celery_app import celery_app
from app.core import logging as structured_logging
from app.core.config import get_settings
from app.tasks import types
from app.worker import executor, heartbeat
from app.worker.board import Board
from app.worker.runtime import Runtime

_log = logging.getLogger(__name__)


class _Worker:
    """What this process has, as the signals set it up: the main process before the fork, each child after it."""

    worker_id: UUID
    board: Board
    slots: int
    runtime: Runtime
    row: int = 0
    beating: "asyncio.Future[None] | Any" = None


@celery_app.task(name=TICKET_TASK, max_retries=0, ignore_result=True)
def run_next(tenant_id: str) -> None:
    """Run the tenant's next due task; nothing due, or no free slot, is the end of it.

    Celery's own retry, ETA, time limits and revoke are of no use here: the job is a ticket, not the task.
    """
    claim = executor.claim_next(_Worker.runtime, UUID(tenant_id), pool=PREFORK, worker_id=_Worker.worker_id)
    if claim is None:
        return
    _Worker.board.start(_Worker.row, claim.claim_token)
    try:
        executor.execute(_Worker.runtime, claim, pool=PREFORK)
    finally:
        _Worker.board.clear(_Worker.row)


@worker_init.connect
def _prepare(sender: Any, **_: Any) -> None:
    structured_logging.configure(get_settings().log_level)
    _Worker.worker_id = uuid4()
    _Worker.slots = int(sender.concurrency or 1)
    # Twice: a child that is being replaced keeps its row until it has ended.
    _Worker.board = Board(2 * _Worker.slots)
    types.all_types()


@worker_process_init.connect
def _start_child(**_: Any) -> None:
    _Worker.row = getattr(current_process(), "index", 0)
    _Worker.runtime = Runtime()


@worker_process_shutdown.connect
def _end_child(**_: Any) -> None:
    _Worker.runtime.close()


@worker_ready.connect
def _announce(**_: Any) -> None:
    # After the fork: no child inherits the thread or its connection.
    _Worker.runtime = Runtime(connections=1)
    _Worker.beating = _Worker.runtime.start(
        heartbeat.beat(_Worker.runtime.database, _Worker.board, _Worker.worker_id, pool=PREFORK, slots=_Worker.slots)
    )


@worker_shutdown.connect
def _say_goodbye(**_: Any) -> None:
    if _Worker.beating is None:
        return
    _Worker.beating.cancel()
    _Worker.runtime.close()
