"""A worker that is told to stop: its attempts may end, those that do not are given back, and nothing hangs."""

import asyncio
import time
from typing import Final

from app.tasks.run import outcomes
from app.tasks.run.attempts import AttemptEnd
from app.tasks.run.claim import retry_state
from app.worker import finish_writer, termination
from app.worker.board import Attempt, Board
from app.worker.runtime import Runtime

_STEP: Final = 0.1
_IDLE_FOR: Final = 1.5


async def drain(runtime: Runtime, board: Board, *, pool: str, seconds: float) -> None:
    """Let what runs end for up to ``seconds``, give back the rest uncounted, then end the children.

    Celery takes no more tickets by now. Its pool may wait 30 s for an idle child whose last message it has
    not read (reference: billiard's ``_ensure_messages_consumed``), so idle children are ended here.
    """
    await _until_idle(board, until=time.monotonic() + seconds)
    running = board.running()
    are_lost = await asyncio.gather(*(termination.kill(board, attempt) for attempt in running))
    await asyncio.gather(*(termination.kill_child(child.pid) for child in board.children()))
    # Now that no child is left that has a ticket in hand, and would claim again what is given back.
    lost = [attempt for attempt, is_lost in zip(running, are_lost, strict=True) if is_lost]
    await asyncio.gather(*(_give_back(runtime, board, attempt, pool) for attempt in (*lost, *board.attempts())))


async def _until_idle(board: Board, *, until: float) -> None:
    # For a while, not for a moment: a child may have a ticket in hand and not yet claimed.
    idle_since = time.monotonic()
    while time.monotonic() < until and time.monotonic() - idle_since < _IDLE_FOR:
        await asyncio.sleep(_STEP)
        if board.attempts():
            idle_since = time.monotonic()


async def _give_back(runtime: Runtime, board: Board, attempt: Attempt, pool: str) -> None:
    outcome = outcomes.returned(0)
    if attempt.has_begun and not attempt.is_running:
        # Its code has ended, and its end could not be written.
        tried = await retry_state(runtime.database, attempt)
        outcome = outcomes.lost(tried.times_lost) if tried else outcome
    await finish_writer.write_from_outside(runtime, AttemptEnd(attempt, outcome), pool=pool)
    board.forget(attempt)
