"""Write the worker's row: its heartbeat, the number of responsive slots, and its attempts."""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final
from uuid import UUID

from app.core.errors import Unavailable
from app.db import Database
from app.tasks.definition import types
from app.tasks.run.attempts import AttemptRef
from app.tasks.run.timing import HEARTBEAT_INTERVAL
from app.worker import store

_log = logging.getLogger(__name__)

# Seconds between two looks at the slots of a starting worker.
_STEP: Final = 0.05


async def beat(
    database: Database,
    attempts: Callable[[], Iterable[AttemptRef]],
    worker_id: UUID,
    *,
    pool: str,
    slots: Callable[[], int],
) -> None:
    """Write the worker's row every 3 s until cancelled, then delete it.

    ``attempts`` returns the worker's attempts. ``slots`` returns the number of responsive slots: with 0 the worker is
    alive, but cannot run tasks.
    """
    try:
        await _until_a_slot_responds(slots)
        while True:
            await _beat_once(database, [one.claim_token for one in attempts()], worker_id, pool, slots())
            await asyncio.sleep(HEARTBEAT_INTERVAL)
    except asyncio.CancelledError:
        # The row is deleted only here, when the worker ends. After an error the next heartbeat follows, and without a
        # row the dispatcher would take all attempts of this worker away.
        with contextlib.suppress(Unavailable):
            async with database.transaction() as connection:
                await store.remove_any_tenant(connection, worker_id)
        raise


async def _until_a_slot_responds(slots: Callable[[], int]) -> None:
    # The slots of a new worker become responsive within a moment, and its first heartbeat should already count them.
    until = time.monotonic() + HEARTBEAT_INTERVAL
    while not slots() and time.monotonic() < until:  # noqa: ASYNC110 shared memory has no event to wait for
        await asyncio.sleep(_STEP)


async def _beat_once(database: Database, claim_tokens: Sequence[UUID], worker_id: UUID, pool: str, slots: int) -> None:
    try:
        async with database.transaction() as connection:
            await store.beat_any_tenant(
                connection,
                worker_id,
                hostname=socket.gethostname(),
                pool=pool,
                slots=slots,
                task_types=list(types.all_types()),
                claim_tokens=claim_tokens,
            )
    except Unavailable:
        _log.warning("heartbeat not written: Postgres is unavailable")
    except Exception:  # noqa: BLE001 a worker without heartbeats loses all its attempts, so the next one must follow
        _log.exception("heartbeat not written")
