"""A child's one place: tenants' turns in it, where tasks run one by one on the main thread."""

import asyncio
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Collection, Sequence
from concurrent.futures import Future
from typing import Final
from uuid import UUID

from app.broker import tickets
from app.broker.ticket_consumer import CONSUME_SECONDS, TicketConsumer
from app.core import failpoints
from app.core.errors import Unavailable
from app.tasks.run import after_commit, outcomes
from app.tasks.run.attempts import Claim
from app.tasks.run.claim import claim_each
from app.tasks.run.timing import WORKER_GRACE
from app.worker import executor
from app.worker.board import Hand
from app.worker.coroutines import Coroutines
from app.worker.executor import RunResult
from app.worker.finish_writer import FinishWriter
from app.worker.pace import Pace
from app.worker.runtime import Runtime

_log = logging.getLogger(__name__)

# A turn claims nothing more after so long: others in line wait for it.
_TURN_SECONDS: Final = 0.025
# Attempts in hand at once whose code has not begun; half of what the board has room for.
_MOST_HELD: Final = 64
# What waits behind a task that runs for so long is given back, so that others run it.
_STALL_SECONDS: Final = 0.025
# Claimed so long ago, an attempt may be another's by now: this process was stopped meanwhile.
_STALE_SECONDS: Final = 5.0
# Ends that may wait to be written while the next tasks run.
_MOST_UNWRITTEN: Final = 64


class Slot:
    """What the turns of one child share."""

    def __init__(self, runtime: Runtime, hand: Hand, ticket_consumer: TicketConsumer, worker_id: UUID) -> None:
        """``runtime`` is this child's, made after the fork."""
        self.runtime = runtime
        self.hand = hand
        self.worker_id = worker_id
        self.pace = Pace()
        self.finish_writer = FinishWriter(runtime, hand.drop)
        self.coroutines = Coroutines()
        self._ticket_consumer = ticket_consumer

    def serve(self, tenant_id: UUID, pool: str) -> None:
        """Let a tenant have its turn, then for a while those who come next in line; every end is written then."""
        until = time.monotonic() + CONSUME_SECONDS
        turn: Turn | None = self.runtime.run(self._begin([tenant_id], pool))
        while turn is not None:
            turn.take()
            turn = self.runtime.run(self._next_turn(pool, until))

    async def _next_turn(self, pool: str, until: float) -> "Turn | None":
        seconds = until - time.monotonic()
        tenants = await self._ticket_consumer.take(pool, self.pace.tenants(), seconds=seconds) if seconds > 0 else []
        return await self._begin(tenants, pool) if tenants else None

    async def _begin(self, tenants: Sequence[UUID], pool: str) -> "Turn":
        turn = Turn(self, tenants, pool)
        await turn.claim()
        return turn


class Turn:
    """One ticket's worth of a tenant, or of several: each one's next due task, and where that was short, those after.

    Short ones are claimed several at once and ahead, while others run: then neither claims nor ends keep the main
    thread waiting. What turns out to wait behind a long one is given back.
    """

    def __init__(self, slot: Slot, tenants: Sequence[UUID], pool: str) -> None:
        """Nothing is claimed yet."""
        self._slot = slot
        self._tenants = tenants
        self._pool = pool
        self._until = time.monotonic() + _TURN_SECONDS
        # Of the main thread, save what says otherwise.
        self._unwritten: deque[Future[None]] = deque()
        self._ahead: Future[bool] | None = None
        # Of the loop's thread, save where it rests.
        self._is_guarded = False
        self._have_offered: set[UUID] = set()
        self._have_more: set[UUID] = set()
        self._need_ticket: set[UUID] = set()
        # Of both.
        self._lock = threading.Lock()
        self._held: deque[tuple[Claim, float]] = deque()
        self._begun = 0

    async def claim(self) -> None:
        """Claim what the turn begins with, on the loop; nothing due, or no free slot, is the end of it."""
        await self._claim(self._tenants)

    def take(self) -> None:
        """Run what is due until the turn is over."""
        try:
            while (claim := self._next()) is not None:
                self._run(claim)
        finally:
            self._leave()

    def _leave(self) -> None:
        if self._ahead is not None:
            self._ahead.result()
        while (claim := self._pop()) is not None:
            self._end(claim, _given_back())
        while self._unwritten:
            self._unwritten.popleft().result()

    def _next(self) -> Claim | None:
        while (claim := self._pop()) is None:
            if not self._claim_more():
                return None
        if len(self._unwritten) > _MOST_UNWRITTEN:
            self._unwritten.popleft().result()
        if self._ahead is None and (tenants := self._to_claim_ahead()):
            self._ahead = self._slot.runtime.start(self._claim_ahead(tenants))
        return claim

    def _pop(self) -> Claim | None:
        with self._lock:
            if not self._held:
                return None
            self._begun += 1
            claim, claimed_at = self._held.popleft()
        if time.monotonic() - claimed_at < _STALE_SECONDS:
            return claim
        self._end(claim, _given_back())
        return self._pop()

    def _claim_more(self) -> bool:
        """Have more to run, if there is more; else end the turn."""
        if self._ahead is not None:
            self._ahead.result()
            self._ahead = None
            return True
        # A slot is free again when the end is written, and not before.
        while self._unwritten:
            self._unwritten.popleft().result()
        # Nothing is under way on the loop that would change these.
        if not self._have_more and not self._need_ticket:
            return False
        return self._slot.runtime.run(self._claim_or_offer())

    def _to_claim_ahead(self) -> set[UUID]:
        if not self._have_more or self._is_over():
            return set()
        limits = self._limits(self._have_more)
        most = sum(limits.values())
        return set(limits) if most > len(limits) and len(self._held) <= most // 2 else set()

    def _limits(self, tenants: Collection[UUID]) -> dict[UUID, int]:
        share = max(1, _MOST_HELD // len(tenants))
        return {tenant_id: min(share, self._slot.pace.limit(tenant_id)) for tenant_id in tenants}

    def _is_over(self) -> bool:
        return time.monotonic() > self._until

    def _run(self, claim: Claim) -> None:
        hand, began = self._slot.hand, time.monotonic()
        failpoints.hit("worker.after_claim")
        hand.start(claim, began + claim.time_limit_seconds + WORKER_GRACE)
        ran = executor.run(self._slot.runtime, self._slot.coroutines, claim, lambda: hand.is_asked_to_end(claim))
        hand.stop()
        self._slot.pace.note(claim.tenant_id, time.monotonic() - began)
        self._end(claim, ran)

    def _end(self, claim: Claim, ran: RunResult) -> None:
        self._unwritten.append(self._slot.runtime.start(self._write(claim, ran)))

    # What follows runs on the loop's thread.

    async def _write(self, claim: Claim, ran: RunResult) -> None:
        try:
            ended = await self._slot.finish_writer.write(claim, ran)
        except Exception:  # noqa: BLE001 logged; the others go on
            _log.exception(
                "the end of an attempt was not written: it will be found lost", extra=after_commit.names(claim)
            )
        else:
            if ended is not None and ended.needs_ticket:
                self._need_ticket.add(claim.tenant_id)

    async def _claim_or_offer(self) -> bool:
        tenants = self._have_more | self._need_ticket
        if self._is_over():
            self._offer(tenants, 1)
            return False
        self._need_ticket.clear()
        return await self._claim_ahead(tenants)

    async def _claim_ahead(self, tenants: Collection[UUID]) -> bool:
        try:
            return await self._claim(tenants, is_ahead=True)
        except Unavailable:
            # What is due has a ticket, or gets one from the dispatcher.
            self._have_more.clear()
            return False

    async def _claim(self, tenants: Collection[UUID], *, is_ahead: bool = False) -> bool:
        with self._lock:
            held = Counter(claim.tenant_id for claim, _ in self._held)
        limits = self._limits(tenants).items()
        wanted = {tenant_id: most - held[tenant_id] for tenant_id, most in limits if most > held[tenant_id]}
        claims = await claim_each(self._slot.runtime.database, wanted, pool=self._pool, worker_id=self._slot.worker_id)
        self._have_more.difference_update(wanted)
        self._have_more.update(claim.tenant_id for claim in claims if claim.has_more)
        if not claims:
            return False
        self._slot.hand.take(claims)
        with self._lock:
            self._held.extend((claim, time.monotonic()) for claim in claims)
        if (is_ahead or len(claims) > 1) and not self._is_guarded:
            self._is_guarded = True
            self._slot.runtime.spawn(self._give_back_what_waits())
        if newly := self._have_more - self._have_offered:
            # Before it runs: other slots start at once, however long this one takes. Two, so that a line of tickets
            # grows; whoever takes one and finds more does the same.
            self._have_offered |= newly
            self._offer(newly, 2)
        return True

    async def _give_back_what_waits(self) -> None:
        while self._held:
            begun = self._begun
            await asyncio.sleep(_STALL_SECONDS)
            if begun == self._begun and (waiting := self._take_all()):
                await asyncio.gather(*(self._write(claim, _given_back()) for claim in waiting))
                self._offer({claim.tenant_id for claim in waiting}, 2)
        self._is_guarded = False

    def _take_all(self) -> list[Claim]:
        with self._lock:
            waiting = [claim for claim, _ in self._held]
            self._held.clear()
        return waiting

    def _offer(self, tenants: Collection[UUID], count: int) -> None:
        offers = [tickets.Offer(tenant_id, self._pool, count) for tenant_id in tenants]
        self._slot.runtime.spawn(tickets.offer_quietly(self._slot.runtime.redis, offers))


def _given_back() -> RunResult:
    return RunResult(outcomes.returned(0), None, 0.0)
