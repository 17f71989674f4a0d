"""Run claimed tasks one by one on the main thread of a child process."""

import time
from collections import deque
from concurrent.futures import Future
from typing import Final
from uuid import UUID

from app.broker.ticket_consumer import CONSUME_SECONDS, TicketConsumer
from app.core import failpoints
from app.tasks.run.attempts import Claim
from app.tasks.run.timing import WORKER_GRACE
from app.worker.finish_writer import FinishWriter
from app.worker.prefork import attempt_execution, claim_session
from app.worker.prefork.claim_session import ClaimResult, ClaimSession, SessionTools
from app.worker.prefork.coroutine_runner import CoroutineRunner
from app.worker.prefork.prefetch import PrefetchLimit
from app.worker.prefork.shared_attempts import ChildAttempts
from app.worker.runtime import Runtime

# Seconds after which a waiting claim is not run any more. It waits that long only if this process was stopped (SIGSTOP,
# a paused machine), and then another worker may have the task by now.
_STALE_SECONDS: Final = 5.0
# The most ends that may wait to be written while the next tasks run: it bounds the memory for their results.
_MAX_UNWRITTEN: Final = 64


class ChildRunner:
    """Runs the attempts that one child claims. Main thread only: it starts coroutines on the event loop."""

    def __init__(
        self, runtime: Runtime, child_attempts: ChildAttempts, ticket_consumer: TicketConsumer, worker_id: UUID
    ) -> None:
        """``runtime`` is this child's own, created after the fork."""
        self.runtime = runtime
        self.child_attempts = child_attempts
        self.coroutines = CoroutineRunner()
        # Handed to the event loop with each session, and not used on this thread.
        self._tools = SessionTools(
            runtime,
            child_attempts,
            ticket_consumer,
            worker_id,
            PrefetchLimit(),
            FinishWriter(runtime, child_attempts.drop),
        )

    def serve(self, tenant_id: UUID, pool: str) -> None:
        """Run a tenant's due tasks, then for up to 0.5 s those of the next tenants in the ring.

        Every end is written when it returns. Raises ``Unavailable`` if the first claim fails.
        """
        until = time.monotonic() + CONSUME_SECONDS
        begun: tuple[ClaimSession, ClaimResult] | None = self.runtime.run(
            claim_session.begin(self._tools, [tenant_id], pool)
        )
        while begun is not None:
            _SessionRun(self, *begun).run()
            begun = self.runtime.run(claim_session.begin_next(self._tools, pool, until))


class _SessionRun:
    """Runs the attempts that one session claims. Main thread only."""

    def __init__(self, child: ChildRunner, session: ClaimSession, claimed: ClaimResult) -> None:
        """``claimed`` is the result of the session's first claim."""
        self._child = child
        self._runtime = child.runtime
        self._session = session
        self._refill_at = claimed.refill_at
        self._needs_ticket = False
        # The claim under way on the event loop; at most one at a time.
        self._ahead: Future[ClaimResult] | None = None
        self._unwritten: deque[Future[bool]] = deque()

    def run(self) -> None:
        """Run due tasks until the session is over, and wait until every end is written."""
        try:
            while (claim := self._next()) is not None:
                self._run(claim)
        finally:
            self._close()

    def _close(self) -> None:
        # A claim under way may still put attempts into the queue, and nobody would run or return them.
        if self._ahead is not None:
            self._ahead.result()
        while (claim := self._get()) is not None:
            self._give_back(claim)
        self._wait_for_finishes()

    def _next(self) -> Claim | None:
        while (claim := self._get()) is None:
            if not self._claim_more():
                return None
        if len(self._unwritten) > _MAX_UNWRITTEN:
            self._wait_for_finish()
        # Claim the next ones while this one runs, so that the main thread need not wait for a round trip.
        if self._ahead is None and len(self._session.queue) <= self._refill_at and not self._session.is_over():
            self._ahead = self._runtime.start(self._session.claim_ahead())
        return claim

    def _get(self) -> Claim | None:
        while (queued := self._session.queue.get()) is not None:
            if time.monotonic() - queued.claimed_at < _STALE_SECONDS:
                return queued.claim
            self._give_back(queued.claim)
        return None

    def _claim_more(self) -> bool:
        """Wait for the claim under way, or make another one; return whether the queue should be read again."""
        if self._ahead is not None:
            self._refill_at = self._ahead.result().refill_at
            self._ahead = None
            return True
        # The tenant's slot is free again only when the end is written. A claim before that might get nothing.
        self._wait_for_finishes()
        # The common case, a single short task, ends here without another claim.
        if self._refill_at < 0 and not self._needs_ticket:
            return False
        self._needs_ticket = False
        claimed = self._runtime.run(self._session.claim_or_offer())
        self._refill_at = claimed.refill_at
        return claimed.has_claimed

    def _run(self, claim: Claim) -> None:
        child_attempts, began = self._child.child_attempts, time.monotonic()
        failpoints.hit("worker.after_claim")
        # Before the code runs: from now on the main process kills this child if the time limit passes.
        child_attempts.start(claim, began + claim.time_limit_seconds + WORKER_GRACE)
        result = attempt_execution.run(
            self._runtime, self._child.coroutines, claim, lambda: child_attempts.is_asked_to_end(claim)
        )
        child_attempts.stop()
        # The end is written on the event loop, while this thread runs the next attempt.
        seconds = time.monotonic() - began
        self._unwritten.append(self._runtime.start(self._session.finish(claim, result, seconds)))

    def _give_back(self, claim: Claim) -> None:
        self._unwritten.append(self._runtime.start(self._session.give_back(claim)))

    def _wait_for_finishes(self) -> None:
        while self._unwritten:
            self._wait_for_finish()

    def _wait_for_finish(self) -> None:
        self._needs_ticket |= self._unwritten.popleft().result()
