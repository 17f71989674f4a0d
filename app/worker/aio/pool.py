"""Run attempts of many tenants concurrently on one event loop."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

from app.broker.ring import ASYNCIO
from app.broker.ticket_consumer import CONSUME_SECONDS, TicketConsumer
from app.broker.tickets import Offers
from app.core import failpoints
from app.core.batcher import Batcher
from app.core.errors import Unavailable
from app.tasks.run import after_commit
from app.tasks.run.attempts import AttemptRef, Claim
from app.tasks.run.cancellation import Verdict
from app.tasks.run.claim import UnansweredClaim, claim_each
from app.worker import unanswered_claims
from app.worker.aio.attempt_runner import AttemptRunner
from app.worker.finish_writer import FinishWriter
from app.worker.runtime import Runtime

_log = logging.getLogger(__name__)

# Tasks in one claim for a tenant: it starts with the minimum, and doubles each time the tenant has more.
_MIN_CLAIM: Final = 4
_MAX_CLAIM: Final = 32
# The most tenants in one claim.
_MAX_TENANTS: Final = 32
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
        capacity: int,
        on_worn_out: Callable[[], None],
    ) -> None:
        """``runtime`` is the process's own; its loop runs the tasks' code. At most ``capacity`` attempts run at once.

        ``on_worn_out`` is called once, when 20 asyncio tasks go on after their cancel: the process should end.
        """
        self._runtime = runtime
        self._ticket_consumer = ticket_consumer
        self._worker_id = worker_id
        self._capacity = self._free = capacity
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._is_draining = False
        self._serving = 0
        self._runners: dict[UUID, AttemptRunner] = {}
        self._limits: dict[UUID, int] = {}
        # No timeout: a claim that is made must reach its caller, or nobody would run it.
        self._claims: Batcher[tuple[UUID, int], list[Claim]] = Batcher(
            self._claim, max_items=_MAX_TENANTS, timeout=None
        )
        self._finish_writer = FinishWriter(runtime, self._drop)
        self._offers = Offers(runtime.redis)
        self._given_up: set[asyncio.Task[Any]] = set()
        self._on_worn_out: Callable[[], None] | None = on_worn_out

    def serve(self, tenant_id: UUID) -> None:
        """Claim for a tenant, then for up to 0.5 s for the next tenants in the ring. Call it from another thread.

        Waits while there is no room. Returns when the attempts are claimed; they run on.
        """
        self._runtime.run(self._serve(tenant_id))

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
        self._is_draining = True

    async def cancel_what_was_given_up(self) -> None:
        """Cancel code that ignored its cancel again, every 5 s, until this coroutine itself is cancelled."""
        while True:
            await asyncio.sleep(_CANCEL_INTERVAL)
            for task in list(self._given_up):
                task.cancel()

    async def drain(self, seconds: float) -> None:
        """Stop claiming, wait up to ``seconds`` for attempts to end, then give back the rest uncounted."""
        self._is_draining = True
        # Wakes the callers that wait for room: they see the drain and offer their tickets to other workers.
        self._has_room.set()
        # A claim under way adds its attempts only when Postgres has answered, so it is waited for first.
        await self._until(lambda: not self._serving, _END_TIMEOUT_SECONDS)
        await self._until(lambda: not self._runners, seconds)
        for runner in self.attempts():
            runner.tell("drained")
        await self._until(lambda: not self._runners, _END_TIMEOUT_SECONDS)
        await self._offers.close()

    async def _until(self, is_so: Callable[[], bool], seconds: float) -> None:
        for _ in range(int(seconds / _STEP)):
            if is_so():
                return
            await asyncio.sleep(_STEP)

    async def _serve(self, tenant_id: UUID) -> None:
        self._serving += 1
        try:
            await self._serve_tenants(tenant_id)
        finally:
            self._serving -= 1

    async def _serve_tenants(self, tenant_id: UUID) -> None:
        until = self._runtime.loop.time() + CONSUME_SECONDS
        tenants = [tenant_id]
        while tenants:
            await asyncio.gather(*map(self._claim_for, tenants))
            tenants = []
            seconds = until - self._runtime.loop.time()
            if self._free and not self._is_draining and seconds > 0:
                max_tickets = max(1, min(_MAX_TENANTS, self._free // _MIN_CLAIM))
                tenants = await self._ticket_consumer.take(ASYNCIO, max_tickets, seconds=seconds)

    async def _claim_for(self, tenant_id: UUID) -> None:
        while not self._free and not self._is_draining:
            await self._has_room.wait()
        if self._is_draining:
            # The tenant's ticket is consumed already, so another worker needs a new one.
            self._offers.add(tenant_id, ASYNCIO)
            return
        limit = min(self._limits.pop(tenant_id, _MIN_CLAIM), self._free)
        # Reserved before the claim: other coroutines claim meanwhile. What was not used is released afterwards.
        self._occupy(limit)
        claims: list[Claim] = []
        try:
            claims = await self._claims.ask((tenant_id, limit))
        except Unavailable:
            _log.warning("cannot claim: Postgres is unavailable; the dispatcher will offer another ticket")
        finally:
            self._occupy(len(claims) - limit)
        for claim in claims:
            self._runners[claim.claim_token] = runner = AttemptRunner(self._runtime, claim, self._give_up)
            self._runtime.spawn(self._run(claim, runner))
        if claims and claims[-1].has_more:
            self._limits[tenant_id] = min(_MAX_CLAIM, 2 * limit)
            # Two tickets: every worker that finds more offers two again, so the number of workers doubles each time.
            self._offers.add(tenant_id, ASYNCIO, 2)

    def _occupy(self, places: int) -> None:
        self._free -= places
        if self._free > 0 or self._is_draining:
            self._has_room.set()
        else:
            self._has_room.clear()

    async def _claim(self, wanted: Sequence[tuple[UUID, int]]) -> list[list[Claim]]:
        # If a tenant has two tickets here, the limit of the first one counts.
        limits = dict(reversed(wanted))
        claims = await claim_each(
            self._runtime.database,
            limits,
            pool=ASYNCIO,
            worker_id=self._worker_id,
            on_unanswered=self._give_back_unanswered,
        )
        failpoints.hit("asyncio_pool.after_claim")
        found: dict[UUID, list[Claim]] = {}
        for claim in claims:
            found.setdefault(claim.tenant_id, []).append(claim)
        return [found.pop(tenant_id, []) for tenant_id, _ in wanted]

    def _give_back_unanswered(self, claim: UnansweredClaim) -> None:
        runtime = self._runtime
        runtime.spawn(unanswered_claims.give_back(runtime.database, runtime.redis, claim, pool=ASYNCIO))

    async def _run(self, claim: Claim, runner: AttemptRunner) -> None:
        try:
            ran = await runner.run()
            if ran is None:
                after_commit.warn_of_fence(claim)
                self._drop([claim])
                return
            ended = await self._finish_writer.write(claim, ran)
            if ended is not None and ended.needs_ticket:
                self._offers.add(claim.tenant_id, ASYNCIO)
        except Exception:  # noqa: BLE001 logged; the others go on
            _log.exception(
                "cannot write an attempt's end: the dispatcher will end it as lost", extra=after_commit.names(claim)
            )

    def _give_up(self, task: asyncio.Task[Any]) -> None:
        self._given_up.add(task)
        task.add_done_callback(self._given_up.discard)
        if len(self._given_up) >= _MAX_GIVEN_UP and self._on_worn_out is not None:
            on_worn_out, self._on_worn_out = self._on_worn_out, None
            on_worn_out()

    def _drop(self, attempts: Sequence[AttemptRef]) -> None:
        # An attempt may be dropped twice, and must free its place only once.
        gone = [attempt for attempt in attempts if self._runners.pop(attempt.claim_token, None)]
        self._occupy(-len(gone))
