"""Run attempts of many tenants concurrently on one event loop."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

from app.broker.ticket_consumer import CONSUME_SECONDS, TicketConsumer
from app.tasks.run import after_commit
from app.tasks.run.attempts import AttemptRef, Claim, FinishResult
from app.tasks.run.cancellation import Verdict
from app.worker.aio.attempt_runner import AttemptRunner
from app.worker.aio.claimer import Claimer, ClaimLimits
from app.worker.finish_writer import FinishWriter
from app.worker.runtime import Runtime

_log = logging.getLogger(__name__)

# The most tickets in one take.
_MAX_TICKETS: Final = 32
# Seconds for which a process without Celery waits for a ticket at a time: less than the time-out of a reply.
_TICKET_WAIT: Final = 1.0
# Seconds between two looks while a drain waits.
_STEP: Final = 0.05
# Seconds between two cancels of code that ignores them, and the number of such asyncio tasks that wears a process out.
_CANCEL_INTERVAL: Final = 5.0
_MAX_GIVEN_UP: Final = 20
# Seconds to wait until claims under way and cancelled code have ended.
_END_TIMEOUT_SECONDS: Final = 5.0


class AsyncioPool:
    """Claims for tickets and runs all claimed attempts concurrently. Event-loop thread only, unless noted."""

    def __init__(
        self,
        runtime: Runtime,
        ticket_consumer: TicketConsumer,
        worker_id: UUID,
        *,
        pool: str,
        capacity: int,
        on_worn_out: Callable[[], None],
    ) -> None:
        """``runtime`` is the process's own; its loop runs the tasks' code. At most ``capacity`` attempts run at once.

        ``on_worn_out`` is called once, when 20 asyncio tasks go on after their cancel: the process should end.
        """
        self._runtime = runtime
        self._ticket_consumer = ticket_consumer
        self._pool = pool
        self._serving = 0
        self._runners: dict[UUID, AttemptRunner] = {}
        # Claims and ends of this process take turns: they need the same rows of Postgres, so they would wait for each
        # other there, and what comes during one makes the other larger.
        statement_lock = asyncio.Lock()
        self._finish_writer = FinishWriter(runtime, self._drop, statement_lock)
        self._claimer = Claimer(
            runtime, worker_id, self._start, pool=pool, capacity=capacity, statement_lock=statement_lock
        )
        self._consuming: asyncio.Task[None] | None = None
        self._given_up: set[asyncio.Task[Any]] = set()
        self._on_worn_out: Callable[[], None] | None = on_worn_out

    def serve(self, tenant_id: UUID) -> None:
        """Claim for a tenant, then for the next tenants in the ring. Call it from another thread.

        Waits while there is no room. Returns when no ticket has come for 0.5 s; claimed attempts run on.
        """
        self._runtime.run(self._serve(tenant_id))

    async def consume(self) -> None:
        """Take tickets and claim for them until the pool stops claiming. For a process without Celery's threads."""
        loop = self._runtime.loop
        while not self._claimer.is_stopped:
            began = loop.time()
            # Nobody came. If it did not even wait, Redis is away.
            if not await self._take_and_claim(_TICKET_WAIT) and loop.time() - began < _TICKET_WAIT / 2:
                await asyncio.sleep(CONSUME_SECONDS)
        # A duty that ends would be started again.
        await loop.create_future()

    def attempts(self) -> list[AttemptRunner]:
        """Return the attempts whose ends are not written yet. Any thread may call it."""
        return list(self._runners.values())

    def run_by(self, task: "asyncio.Task[Any] | None") -> AttemptRunner | None:
        """Return the attempt to which an asyncio task belongs, or None. Any thread may call it."""
        return next((one for one in self.attempts() if task is not None and one.is_run_by(task)), None)

    def tell(self, attempt: AttemptRunner, verdict: Verdict) -> None:
        """Make an attempt end that was cancelled, or that was taken away."""
        attempt.tell(verdict)

    def stop_claiming(self) -> None:
        """Stop claiming. Any thread may call it."""
        self._claimer.is_stopped = True

    async def cancel_what_was_given_up(self) -> None:
        """Cancel code that ignored its cancel again, every 5 s, until this coroutine itself is cancelled."""
        while True:
            await asyncio.sleep(_CANCEL_INTERVAL)
            for task in list(self._given_up):
                task.cancel()

    async def drain(self, seconds: float) -> None:
        """Stop claiming, wait up to ``seconds`` for attempts to end, then give back the rest uncounted."""
        # The tenants that wait for room are offered to other workers.
        self._claimer.stop()
        # A claim under way adds its attempts only when Postgres has answered, so it is waited for first.
        await self._until(lambda: not self._serving and self._claimer.is_idle, _END_TIMEOUT_SECONDS)
        await self._until(lambda: not self._runners, seconds)
        for runner in self.attempts():
            runner.tell("drained")
        await self._until(lambda: not self._runners, _END_TIMEOUT_SECONDS)
        await self._claimer.close()

    async def _until(self, is_so: Callable[[], bool], seconds: float) -> None:
        for _ in range(int(seconds / _STEP)):
            if is_so():
                return
            await asyncio.sleep(_STEP)

    async def _serve(self, tenant_id: UUID) -> None:
        self._serving += 1
        try:
            await self._claimer.serve(tenant_id)
            if self._consuming is None:
                self._consuming = self._runtime.spawn(self._consume())
            # All threads wait for the same consumer, so that Celery takes no ticket that the loop takes for less.
            await asyncio.wait([self._consuming])
        finally:
            self._serving -= 1

    async def _consume(self) -> None:
        loop = self._runtime.loop
        until = loop.time() + CONSUME_SECONDS
        try:
            while self._claimer.room > 0 and not self._claimer.is_stopped and (seconds := until - loop.time()) > 0:
                if not await self._take_and_claim(seconds):
                    return
                until = loop.time() + CONSUME_SECONDS
        finally:
            self._consuming = None

    async def _take_and_claim(self, seconds: float) -> bool:
        max_tickets = max(1, min(_MAX_TICKETS, self._claimer.room // ClaimLimits.MIN))
        tenants = await self._ticket_consumer.take(self._pool, max_tickets, seconds=seconds)
        if tenants:
            # The next tickets stay in the ring until a claim can be made for them.
            await asyncio.wait([self._claimer.serve(tenant_id) for tenant_id in tenants])
        return bool(tenants)

    def _start(self, claims: Sequence[Claim]) -> None:
        for claim in claims:
            runner = AttemptRunner(self._runtime, claim, on_end=self._finish, give_up=self._give_up)
            self._runners[claim.claim_token] = runner
            runner.start()

    def _finish(self, runner: AttemptRunner) -> None:
        if runner.ran is None:
            after_commit.warn_of_fence(runner.claim)
            self._drop([runner])
        else:
            self._finish_writer.add(runner.claim, runner.ran).add_done_callback(
                lambda written: self._follow(runner.claim, written)
            )

    def _follow(self, claim: Claim, written: "asyncio.Future[FinishResult | None]") -> None:
        if written.cancelled():
            return
        if (error := written.exception()) is not None:
            _log.error(
                "cannot write an attempt's end: the dispatcher will end it as lost",
                exc_info=error,
                extra=after_commit.names(claim),
            )
        elif (ended := written.result()) is not None and ended.needs_ticket:
            self._claimer.offer(claim.tenant_id)

    def _give_up(self, task: asyncio.Task[Any]) -> None:
        self._given_up.add(task)
        task.add_done_callback(self._given_up.discard)
        if len(self._given_up) >= _MAX_GIVEN_UP and self._on_worn_out is not None:
            on_worn_out, self._on_worn_out = self._on_worn_out, None
            on_worn_out()

    def _drop(self, attempts: Sequence[AttemptRef]) -> None:
        # An attempt may be dropped twice, and must free its place only once.
        gone = [attempt for attempt in attempts if self._runners.pop(attempt.claim_token, None)]
        self._claimer.release(len(gone))
