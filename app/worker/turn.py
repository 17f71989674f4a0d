"""A tenant's turn on one slot: its next due task, and where that was short, those after it."""

import logging
import os
import time
from typing import Final
from uuid import UUID

from app.broker import tickets
from app.core import crash
from app.core.errors import Unavailable
from app.tasks import lifecycle
from app.tasks.lifecycle import Claim, Ended, Outcome
from app.worker import endings, executor
from app.worker.board import Board, Running
from app.worker.executor import Ran
from app.worker.runtime import Runtime

_log = logging.getLogger(__name__)

# A turn begins no further task after so long: others in line wait for it.
_SECONDS: Final = 0.025
# Seconds beyond the time limit in which the child's own timer may end the code, before its process is killed.
_KILL_AFTER: Final = 1.0


class Turn:
    """One turn. A task is claimed when its predecessor has ended, never before: nothing waits behind what runs."""

    def __init__(
        self, runtime: Runtime, board: Board, row: int, *, tenant_id: UUID, pool: str, worker_id: UUID
    ) -> None:
        """``row`` is this process's on the board."""
        self._runtime = runtime
        self._board = board
        self._row = row
        self._tenant_id = tenant_id
        self._pool = pool
        self._worker_id = worker_id
        self._began = time.monotonic()
        self._has_offered = False

    def take(self) -> None:
        """Run what is due until the turn is over; nothing due, or no free slot, is the end of it."""
        claim = self._runtime.run(self._claim())
        try:
            while claim is not None:
                claim = self._run(claim)
        finally:
            self._board.clear(self._row)

    def _run(self, claim: Claim) -> Claim | None:
        """Run a claimed attempt and write its end; return the next claim."""
        began = time.monotonic()
        crash.point("worker.after_claim")
        ends_at = began + claim.time_limit_seconds + _KILL_AFTER
        self._board.start(self._row, Running(claim.tenant_id, claim.task_id, claim.claim_token, ends_at, os.getpid()))
        ran = executor.run(self._runtime, claim, lambda: self._board.is_asked_to_end(self._row, claim.claim_token))
        ended, following = self._runtime.run(self._end(claim, ran))
        _log_attempt(claim, ran.outcome, ended, time.monotonic() - began)
        return following

    async def _end(self, claim: Claim, ran: Ran) -> tuple[Ended | None, Claim | None]:
        # In one go: each hand-over between the thread that runs code and the loop costs as much as a statement.
        ended = await endings.write_own(self._runtime, claim, ran.outcome, ran.progress)
        # Whoever ends this process for the attempt that is over must not take the next one with it.
        self._board.clear(self._row)
        has_more = claim.has_more or (ended is not None and endings.needs_ticket(ended))
        if not has_more:
            return ended, None
        if time.monotonic() - self._began > _SECONDS or (ended and ended.status == "PENDING"):
            self._offer(1)
            return ended, None
        return ended, await self._claim_next()

    async def _claim_next(self) -> Claim | None:
        try:
            return await self._claim()
        except Unavailable:
            # The end is written. What is due has a ticket, or gets one from the dispatcher.
            return None

    async def _claim(self) -> Claim | None:
        claims = await lifecycle.claim(
            self._runtime.database, self._tenant_id, pool=self._pool, worker_id=self._worker_id
        )
        if not claims:
            return None
        if claims[0].has_more and not self._has_offered:
            # Before it runs: other slots start at once, however long this one takes. Two, so that a line of tickets
            # grows; whoever takes one and finds more does the same.
            self._has_offered = True
            self._offer(2)
        return claims[0]

    def _offer(self, count: int) -> None:
        self._runtime.start(
            tickets.offer_quietly(self._runtime.redis, [tickets.Offer(self._tenant_id, self._pool, count)])
        )


def _log_attempt(claim: Claim, outcome: Outcome, ended: Ended | None, seconds: float) -> None:
    _log.info(
        "attempt",
        extra={
            "tenant_id": str(claim.tenant_id),
            "task_id": str(claim.task_id),
            "task": claim.task,
            "attempt": claim.attempt,
            "outcome": ended.status if ended else "FENCED",
            "error_type": (outcome.error or {}).get("type"),
            "duration_ms": round(seconds * 1000, 1),
        },
    )
