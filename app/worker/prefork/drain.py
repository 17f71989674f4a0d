"""Drain a worker that is stopping: wait for its attempts to end, then give back the rest."""

import asyncio
import time
from typing import Final

from app.tasks.run import outcomes
from app.tasks.run.attempts import AttemptEnd
from app.tasks.run.claim import retry_state
from app.worker import finish_writer
from app.worker.prefork import process_kill
from app.worker.prefork.shared_attempts import SharedAttempt, SharedAttempts
from app.worker.runtime import Runtime

_STEP: Final = 0.1
# Seconds without any attempt after which the children count as idle.
_IDLE_FOR: Final = 1.5


async def drain(runtime: Runtime, shared_attempts: SharedAttempts, *, pool: str, seconds: float) -> None:
    """Let attempts run for up to ``seconds``, give back the rest uncounted, then kill the children.

    By now Celery takes no more tickets. Its pool may wait 30 s for an idle child whose last message it has not read
    (billiard's ``_ensure_messages_consumed``), so idle children are killed here.
    """
    await _until_idle(shared_attempts, until=time.monotonic() + seconds)
    running = shared_attempts.running()
    are_lost = await asyncio.gather(*(process_kill.kill(shared_attempts, attempt) for attempt in running))
    await asyncio.gather(*(process_kill.kill_child(child.pid) for child in shared_attempts.children()))
    # Only after the children are dead: a child that has a ticket would claim the returned attempts again.
    lost = [attempt for attempt, is_lost in zip(running, are_lost, strict=True) if is_lost]
    await asyncio.gather(
        *(_give_back(runtime, shared_attempts, attempt, pool) for attempt in (*lost, *shared_attempts.attempts()))
    )


async def _until_idle(shared_attempts: SharedAttempts, *, until: float) -> None:
    # One look without attempts is not enough: a child may have a ticket for which it has not claimed yet.
    idle_since = time.monotonic()
    while time.monotonic() < until and time.monotonic() - idle_since < _IDLE_FOR:
        await asyncio.sleep(_STEP)
        if shared_attempts.attempts():
            idle_since = time.monotonic()


async def _give_back(runtime: Runtime, shared_attempts: SharedAttempts, attempt: SharedAttempt, pool: str) -> None:
    outcome = outcomes.returned(0)
    if attempt.has_begun and not attempt.is_running:
        # The code has ended but its result died with the child. Running the task again therefore counts as a loss.
        tried = await retry_state(runtime.database, attempt)
        outcome = outcomes.lost(tried.times_lost) if tried else outcome
    await finish_writer.write_from_outside(runtime, AttemptEnd(attempt, outcome), pool=pool)
    shared_attempts.forget(attempt)
