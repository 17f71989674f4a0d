"""Claim, finish and give back attempts for the tickets of one session, on the child's event loop."""

import asyncio
import logging
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID

from app.broker import tickets
from app.broker.ticket_consumer import TicketConsumer
from app.core.errors import Unavailable
from app.tasks.run import after_commit, outcomes
from app.tasks.run.attempts import Claim
from app.tasks.run.claim import UnansweredClaim, claim_each
from app.worker import unanswered_claims
from app.worker.executor import RunResult
from app.worker.finish_writer import FinishWriter
from app.worker.prefork.claim_queue import ClaimQueue
from app.worker.prefork.prefetch import PrefetchLimit
from app.worker.prefork.shared_attempts import ChildAttempts
from app.worker.runtime import Runtime

_log = logging.getLogger(__name__)

# Seconds after which a session claims nothing more, so that other tenants in the ring get the slot.
_SESSION_SECONDS: Final = 0.025
# The most claimed attempts that wait in a session. Half of a child's room in the shared memory: the other half is for
# attempts whose ends are being written.
_MAX_WAITING: Final = 64
# Seconds after which attempts that wait behind a running one are given back, so that other slots can run them.
_STALL_SECONDS: Final = 0.025


@dataclass(frozen=True, slots=True)
class SessionTools:
    """The objects that all sessions of a child share.

    Event-loop thread only, except ``runtime`` and ``child_attempts``.
    """

    runtime: Runtime
    child_attempts: ChildAttempts
    ticket_consumer: TicketConsumer
    worker_id: UUID
    prefetch: PrefetchLimit
    finish_writer: FinishWriter


class ClaimResult(NamedTuple):
    """The result of a claim, for the main thread."""

    has_claimed: bool
    """True if claims were put into the queue."""
    refill_at: int
    """Claim ahead when the queue has this many attempts or fewer; -1 if no tenant has more due tasks."""


async def begin(tools: SessionTools, tenants: Sequence[UUID], pool: str) -> "tuple[ClaimSession, ClaimResult]":
    """Open a session and make its first claim. Raises ``Unavailable``."""
    session = ClaimSession(tools, pool)
    return session, await session.claim(tenants)


async def begin_next(tools: SessionTools, pool: str, until: float) -> "tuple[ClaimSession, ClaimResult] | None":
    """Take tickets of the next tenants and open a session for them; None if no ticket came until ``until`` (monotonic).

    Raises ``Unavailable``.
    """
    seconds = until - time.monotonic()
    if seconds <= 0:
        return None
    tenants = await tools.ticket_consumer.take(pool, tools.prefetch.tenants(), seconds=seconds)
    return await begin(tools, tenants, pool) if tenants else None


class ClaimSession:
    """Claims due tasks of some tenants: one at a time, or several at once and ahead if the tenant's tasks are short.

    With claims ahead, the main thread waits neither for claims nor for finishes. Attempts that turn out to wait behind
    a long task are given back. Event-loop thread only, except ``queue`` and ``is_over``.
    """

    def __init__(self, tools: SessionTools, pool: str) -> None:
        """Nothing is claimed yet."""
        self.queue: Final = ClaimQueue()
        self._until: Final = time.monotonic() + _SESSION_SECONDS
        self._tools = tools
        self._pool = pool
        # True while ``_give_back_stalled`` runs: one watcher is enough.
        self._is_guarded = False
        # Tenants for which tickets were offered; tenants that had more due tasks after their last claim; and tenants
        # that need a ticket, because the end of an attempt has freed a slot for another task.
        self._have_offered: set[UUID] = set()
        self._have_more: set[UUID] = set()
        self._need_ticket: set[UUID] = set()

    def is_over(self) -> bool:
        """Return whether the session claims nothing more; any thread may call it."""
        return time.monotonic() > self._until

    async def claim(self, tenants: Collection[UUID], *, is_ahead: bool = False) -> ClaimResult:
        """Claim for these tenants, up to the prefetch limit of each, and put the claims into the queue.

        With ``is_ahead`` a single claim is watched too: it is given back if it waits too long behind a running task.
        Raises ``Unavailable``.
        """
        # Claims that wait already count against the limit, so the queue never grows beyond it.
        waiting = self.queue.count_by_tenant()
        limits = self._limits(tenants).items()
        wanted = {tenant_id: limit - waiting[tenant_id] for tenant_id, limit in limits if limit > waiting[tenant_id]}
        claims = await claim_each(
            self._tools.runtime.database,
            wanted,
            pool=self._pool,
            worker_id=self._tools.worker_id,
            on_unanswered=self._give_back_unanswered,
        )
        self._have_more.difference_update(wanted)
        self._have_more.update(claim.tenant_id for claim in claims if claim.has_more)
        if claims:
            # Shared memory first: if this process dies in between, the main process must know these attempts.
            self._tools.child_attempts.take(claims)
            self.queue.put(claims)
            self._guard(is_needed=is_ahead or len(claims) > 1)
            self._offer_more()
        return self._result(has_claimed=bool(claims))

    async def claim_ahead(self) -> ClaimResult:
        """Claim more while the main thread runs code, if there are tenants with short tasks that have more."""
        limits = self._limits(self._have_more)
        # A limit of 1 for each tenant means that their tasks are long: an attempt claimed ahead would only wait.
        if self.is_over() or sum(limits.values()) <= len(limits):
            return self._result(has_claimed=False)
        return await self._claim_if_available(limits)

    async def claim_or_offer(self) -> ClaimResult:
        """Claim again for the tenants with more due tasks. If the session is over, offer a ticket for each instead."""
        tenants = self._have_more | self._need_ticket
        if self.is_over():
            self._offer(tenants, 1)
            return ClaimResult(has_claimed=False, refill_at=-1)
        self._need_ticket.clear()
        return await self._claim_if_available(tenants)

    async def finish(self, claim: Claim, result: RunResult, seconds: float) -> bool:
        """Write the end of an attempt that took ``seconds``; return whether its tenant needs a ticket."""
        self._tools.prefetch.note(claim.tenant_id, seconds)
        return await self._write(claim, result)

    async def give_back(self, claim: Claim) -> bool:
        """Give back an attempt, uncounted, whose code has not begun; return whether its tenant needs a ticket."""
        return await self._write(claim, RunResult(outcomes.returned(0), None, 0.0))

    def _give_back_unanswered(self, claim: UnansweredClaim) -> None:
        runtime = self._tools.runtime
        runtime.spawn(unanswered_claims.give_back(runtime.database, runtime.redis, claim, pool=self._pool))

    async def _claim_if_available(self, tenants: Collection[UUID]) -> ClaimResult:
        try:
            return await self.claim(tenants, is_ahead=True)
        except Unavailable:
            # Nothing is lost: the dispatcher offers a ticket for each tenant with due tasks.
            self._have_more.clear()
            return self._result(has_claimed=False)

    async def _write(self, claim: Claim, result: RunResult) -> bool:
        try:
            ended = await self._tools.finish_writer.write(claim, result)
        except Exception:  # noqa: BLE001 logged; the others go on
            _log.exception(
                "cannot write an attempt's end: the dispatcher will end it as lost", extra=after_commit.names(claim)
            )
            return False
        if ended is None or not ended.needs_ticket:
            return False
        self._need_ticket.add(claim.tenant_id)
        return True

    def _limits(self, tenants: Collection[UUID]) -> dict[UUID, int]:
        # Every tenant gets an equal part of the room, so that one with very short tasks leaves some for the others.
        share = max(1, _MAX_WAITING // max(1, len(tenants)))
        return {tenant_id: min(share, self._tools.prefetch.limit(tenant_id)) for tenant_id in tenants}

    def _result(self, *, has_claimed: bool) -> ClaimResult:
        # Half of what one claim brings: the other half runs while the next claim is under way.
        refill_at = sum(self._limits(self._have_more).values()) // 2 if self._have_more else -1
        return ClaimResult(has_claimed, refill_at)

    def _guard(self, *, is_needed: bool) -> None:
        if is_needed and not self._is_guarded:
            self._is_guarded = True
            self._tools.runtime.spawn(self._give_back_stalled())

    async def _give_back_stalled(self) -> None:
        while self.queue:
            taken = self.queue.taken
            await asyncio.sleep(_STALL_SECONDS)
            # Nothing was taken meanwhile, so the main thread runs a long task.
            if taken == self.queue.taken and (stalled := self.queue.clear()):
                await asyncio.gather(*map(self.give_back, stalled))
                self._offer({claim.tenant_id for claim in stalled}, 2)
        self._is_guarded = False

    def _offer_more(self) -> None:
        if tenants := self._have_more - self._have_offered:
            # Before the code runs, so that other slots start at once, however long it takes. Two tickets each: every
            # slot that finds more offers two again, so the number of slots doubles each time.
            self._have_offered |= tenants
            self._offer(tenants, 2)

    def _offer(self, tenants: Collection[UUID], count: int) -> None:
        offers = [tickets.Offer(tenant_id, self._pool, count) for tenant_id in tenants]
        self._tools.runtime.spawn(tickets.offer_quietly(self._tools.runtime.redis, offers))
