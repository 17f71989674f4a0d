"""The worker's one row: that it lives, how many of its slots turn, and which attempts it runs."""

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
from app.tasks import types
from app.tasks.run.attempts import AttemptRef
from app.tasks.run.timing import HEARTBEAT_INTERVAL
from app.worker import store

_log = logging.getLogger(__name__)

_STEP: Final = 0.05


async def beat(
    database: Database,
    in_hand: Callable[[], Iterable[AttemptRef]],
    worker_id: UUID,
    *,
    pool: str,
    slots: Callable[[], int],
) -> None:
    """Write the row every 3 s until cancelled, then remove it.

    ``in_hand`` returns the worker's attempts, ``slots`` how many slots turn: a worker none of whose does is there, but
    of no use.
    """
    try:
        await _until_a_slot_turns(slots)
        while True:
            await _beat_once(database, [one.claim_token for one in in_hand()], worker_id, pool, slots())
            await asyncio.sleep(HEARTBEAT_INTERVAL)
    except asyncio.CancelledError:
        # At its end alone: an error is followed by another beat, and without the row its attempts would be taken away.
        with contextlib.suppress(Unavailable):
            async with database.transaction() as connection:
                await store.remove_any_tenant(connection, worker_id)
        raise


async def _until_a_slot_turns(slots: Callable[[], int]) -> None:
    # Those of a worker that has just started come within a moment: its first beat is to tell of them.
    until = time.monotonic() + HEARTBEAT_INTERVAL
    while not slots() and time.monotonic() < until:  # noqa: ASYNC110 what is asked is shared memory
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
        _log.warning("heartbeat not written, Postgres is away")
    except Exception:  # noqa: BLE001 a worker without a heartbeat loses all that it runs: the next beat is tried
        _log.exception("heartbeat not written")
