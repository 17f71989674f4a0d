"""Claim due tasks for tenants whose tickets were taken, one statement at a time, within the room of the pool."""

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from app.broker.tickets import Offers
from app.core import failpoints
from app.core.errors import Unavailable
from app.tasks.run.attempts import Claim
from app.tasks.run.claim import UnansweredClaim, claim_each
from app.worker import unanswered_claims
from app.worker.runtime import Runtime

_log = logging.getLogger(__name__)

# The most tenants, and tasks, in one claim. Its statement and the start of its attempts hold up everything else.
_MAX_TENANTS: Final = 32
_MAX_TASKS: Final = 128
# Seconds after which a tenant with more due tasks is claimed for no more, so that its next turn is that of the ring.
_TURN_SECONDS: Final = 0.025


class ClaimLimits:
    """Remembers how many tasks to claim for each tenant: twice as many as its last claim has brought."""

    MIN: Final = 4
    MAX: Final = 64
    # Tenants that are remembered; the one that was served longest ago is forgotten first.
    _MAX_TENANTS: Final = 1_000

    def __init__(self) -> None:
        """Begin without measurements: then every limit is 4."""
        self._limits: OrderedDict[UUID, int] = OrderedDict()

    def get(self, tenant_id: UUID) -> int:
        """Return how many tasks to claim for a tenant."""
        return self._limits.get(tenant_id, self.MIN)

    def note(self, tenant_id: UUID, claimed: int) -> None:
        """Remember how many tasks a tenant's last claim has brought."""
        self._limits[tenant_id] = max(self.MIN, min(self.MAX, 2 * claimed))
        self._limits.move_to_end(tenant_id)
        if len(self._limits) > self._MAX_TENANTS:
            self._limits.popitem(last=False)


@dataclass(slots=True)
class _Turn:
    """A tenant's turn: from its ticket until it has no more due tasks, or until others in the ring are next."""

    until: float
    """The time of its end (of the loop). The first claim is made in any case."""
    is_served: bool = False
    """True once a claim was made."""
    waiting: "list[asyncio.Future[None]]" = field(default_factory=list)
    """The futures of the callers that wait for the first claim."""


class Claimer:
    """Claims for one tenant after the other. Tenants that come during a claim share the next one.

    Event-loop thread only.
    """

    def __init__(
        self,
        runtime: Runtime,
        worker_id: UUID,
        start: Callable[[Sequence[Claim]], None],
        *,
        pool: str,
        capacity: int,
        statement_lock: asyncio.Lock,
    ) -> None:
        """``start`` is called with claimed attempts. At most ``capacity`` of them may run; ``release`` gives room back.

        A claim waits for ``statement_lock``, which also the writer of ends has: a claim needs the same rows of
        Postgres, and what comes meanwhile makes the groups larger.
        """
        self._runtime = runtime
        self._worker_id = worker_id
        self._start = start
        self._pool = pool
        self._statement_lock = statement_lock
        self._offers = Offers(runtime.redis)
        self._limits = ClaimLimits()
        self._turns: OrderedDict[UUID, _Turn] = OrderedDict()
        self._is_claiming = False
        self.is_stopped = False
        """True once nothing more may be claimed. Any thread may set it; ``stop`` also offers the tickets that wait."""
        self._capacity = self.room = capacity
        """The number of attempts that may be claimed now."""

    def serve(self, tenant_id: UUID) -> "asyncio.Future[None]":
        """Claim for a tenant whose ticket was taken. The future is done when its first claim is.

        If the claimer was stopped, another worker needs a ticket: then it is offered instead.
        """
        served = self._runtime.loop.create_future()
        if self.is_stopped:
            self._offers.add(tenant_id, self._pool)
            served.set_result(None)
            return served
        until = self._runtime.loop.time() + _TURN_SECONDS
        turn = self._turns.setdefault(tenant_id, _Turn(until))
        turn.until, turn.is_served = until, False
        turn.waiting.append(served)
        self._wake()
        return served

    def offer(self, tenant_id: UUID) -> None:
        """Let a task be claimed whose tenant has a slot free again: here, or by a ticket if room is scarce."""
        if self.is_stopped or self.room < self._capacity / 2:
            self._offers.add(tenant_id, self._pool)
        else:
            self._turns.setdefault(tenant_id, _Turn(self._runtime.loop.time() + _TURN_SECONDS))
            self._wake()

    def release(self, places: int) -> None:
        """Give back the room of attempts that are over."""
        self.room += places
        self._wake()

    def stop(self) -> None:
        """Claim nothing more, and offer the tickets of the tenants that wait."""
        self.is_stopped = True
        turns, self._turns = self._turns, OrderedDict()
        for tenant_id, turn in turns.items():
            self._offers.add(tenant_id, self._pool)
            _tell(turn)

    @property
    def is_idle(self) -> bool:
        """Return whether no claim is under way."""
        return not self._is_claiming

    async def close(self) -> None:
        """Wait until all tickets are offered."""
        await self._offers.close()

    def _wake(self) -> None:
        if not self._is_claiming and self._turns and self.room > 0:
            self._is_claiming = True
            self._runtime.spawn(self._run())

    async def _run(self) -> None:
        try:
            while self._turns and self.room > 0 and not self.is_stopped:
                async with self._statement_lock:
                    await self._claim_once()
        finally:
            self._is_claiming = False

    async def _claim_once(self) -> None:
        # Stopped or out of room only now, when the lock is free.
        if self.is_stopped or not (wanted := self._next()):
            return
        turns = {tenant_id: self._turns.pop(tenant_id) for tenant_id in wanted}
        reserved = sum(wanted.values())
        # Reserved before the claim, and what was not used is given back.
        self.room -= reserved
        claims: list[Claim] = []
        try:
            claims = await claim_each(
                self._runtime.database,
                wanted,
                pool=self._pool,
                worker_id=self._worker_id,
                on_unanswered=self._give_back_unanswered,
            )
            failpoints.hit("asyncio_pool.after_claim")
        except Unavailable:
            _log.warning("cannot claim: Postgres is unavailable; the dispatcher will offer another ticket")
        except Exception:  # noqa: BLE001 the next claim may work
            _log.exception("cannot claim: the dispatcher will offer another ticket")
        finally:
            self.room += reserved - len(claims)
        # First of all, so that nobody waits for ever whatever happens to the claims.
        for turn in turns.values():
            _tell(turn)
        self._start(claims)
        claimed = Counter(claim.tenant_id for claim in claims)
        have_more = {claim.tenant_id for claim in claims if claim.has_more}
        for tenant_id, turn in turns.items():
            self._limits.note(tenant_id, claimed[tenant_id])
            if tenant_id in have_more:
                self._go_on(tenant_id, turn)

    def _give_back_unanswered(self, claim: UnansweredClaim) -> None:
        runtime = self._runtime
        runtime.spawn(unanswered_claims.give_back(runtime.database, runtime.redis, claim, pool=self._pool))

    def _next(self) -> dict[UUID, int]:
        """Return the next tenants, and how many tasks to claim for each."""
        now, room = self._runtime.loop.time(), min(self.room, _MAX_TASKS)
        for tenant_id in [one for one, turn in self._turns.items() if turn.is_served and turn.until < now]:
            del self._turns[tenant_id]
            self._offers.add(tenant_id, self._pool)
        share = max(ClaimLimits.MIN, _MAX_TASKS // max(1, min(_MAX_TENANTS, len(self._turns))))
        wanted: dict[UUID, int] = {}
        for tenant_id in self._turns:
            limit = min(room, share, self._limits.get(tenant_id))
            if not limit or len(wanted) == _MAX_TENANTS:
                break
            wanted[tenant_id] = limit
            room -= limit
        return wanted

    def _go_on(self, tenant_id: UUID, turn: _Turn) -> None:
        if not turn.is_served:
            # Two tickets: every worker that finds more offers two again, so the number of workers doubles each time.
            self._offers.add(tenant_id, self._pool, 2)
        turn.is_served = True
        if self.is_stopped:
            return
        # Without room the ring decides who is next, because others may wait too.
        if self.room <= 0 or turn.until < self._runtime.loop.time():
            self._offers.add(tenant_id, self._pool)
        else:
            self._turns.setdefault(tenant_id, turn)


def _tell(turn: _Turn) -> None:
    for served in turn.waiting:
        if not served.done():
            served.set_result(None)
    turn.waiting.clear()
