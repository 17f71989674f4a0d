"""Run the sweeps of the leading dispatcher, five rounds a second: first those in Postgres, then those in Redis.

Each sweep is a separate duty. A sweep that fails is logged, counted and retried after a growing pause, while the others
go on.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, TypeVar
from uuid import UUID

import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.broker import tickets, timelines, wakeups
from app.core import failpoints
from app.core import redis as redis_connections
from app.core.config import get_settings
from app.core.duty import Duty
from app.core.errors import LeadLost, Unavailable
from app.core.log_limiter import LogLimiter
from app.db import AWAY, Database, primary
from app.db import timelines as known_timelines
from app.dispatch import leadership
from app.dispatch.due_tasks import DueTasks
from app.dispatch.error_counter import INTERVAL as COUNT_ERRORS_INTERVAL
from app.dispatch.error_counter import ErrorCounter
from app.dispatch.expired_leases import ExpiredLeases
from app.dispatch.fair_share_throttle import FairShareThrottle
from app.dispatch.held_tasks import INTERVAL as HELD_INTERVAL
from app.dispatch.held_tasks import HeldTasks
from app.dispatch.key_expiry import INTERVAL as KEY_EXPIRY_INTERVAL
from app.dispatch.key_expiry import KeyExpiry
from app.dispatch.leadership import Lead
from app.dispatch.ledger import Ledger
from app.dispatch.operation_runners import OperationRunners
from app.dispatch.postgres_contact import PostgresContact
from app.dispatch.pruner import Pruner
from app.dispatch.reconciler import Reconciler
from app.dispatch.rescuer import Rescued, Rescuer
from app.dispatch.schedule_sweep import ScheduleConnections, ScheduleSweep
from app.dispatch.slot_reserve import INTERVAL as SLOTS_INTERVAL
from app.dispatch.slot_reserve import SlotReserve
from app.dispatch.stat_counter import INTERVAL as STATS_INTERVAL
from app.dispatch.stat_counter import StatCounter
from app.operations import store as operation_store
from app.operations.runner import OperationRunner
from app.processes import heartbeat, schema
from app.processes.heartbeat import Rounds
from app.tasks import partitions
from app.tasks.run.timing import WORKER_DEAD_AFTER

_log = logging.getLogger(__name__)
_log_limiter = LogLimiter(_log)

T = TypeVar("T")

# Seconds between two rounds: a scheduled task waits at most this long for its ticket.
_TICK: Final = 0.2
# Seconds between two attempts to lead: while another dispatcher leads, and while Postgres is unavailable.
_STANDBY_INTERVAL: Final = 0.5
_AWAY_INTERVAL: Final = 1.0
_RESCUE_INTERVAL: Final = 1.0
# The longest time that a lost ticket delays a task. A look at Redis, more often, notices that all tickets are lost.
_RECONCILE_INTERVAL: Final = 1.5
_LOOK_AT_REDIS_INTERVAL: Final = 0.6
_PRUNE_INTERVAL: Final = 1.0
_ROLL_UP_INTERVAL: Final = 2.0
_LEDGER_INTERVAL: Final = 60.0
# The longest time after which an operation begins. A look is one probe of a small index.
_OPERATIONS_INTERVAL: Final = 1.0
# Not urgent: a row whose month has no partition yet is stored in the default partition. A look costs a millisecond.
_PARTITIONS_INTERVAL: Final = 15.0
_REDIS_TIMEOUT: Final = 1.5
# Seconds for one sweep. A statement that waits for a lock must not block the other sweeps for ever.
_DUTY_TIMEOUT: Final = 60.0
# Seconds for a statement about the lease: less than half of its 4 s, so that a hanging server leaves time to retry.
_COMMAND_TIMEOUT: Final = 1.5
_STOP_TIMEOUT: Final = 2.0
# These errors end the round: without Postgres, Redis or the lead, the next sweep could do nothing either.
_ROUND_ENDING: Final = (*AWAY, Unavailable, LeadLost, RedisError)


class Sweeps:
    """The sweeps of one leader, with what they remember between two rounds. A new leader starts without that."""

    def __init__(
        self,
        lead: Lead,
        worker: Database,
        redis: Redis,
        contact: PostgresContact,
        operations: OperationRunner | None = None,
        schedules: ScheduleSweep | None = None,
    ) -> None:
        """``lead`` finds the work (role tq_dispatch), ``worker`` ends attempts and tasks (role tq_worker).

        ``operations`` and ``schedules`` run beside the sweeps, because their steps may take long.
        """
        self._lead = lead
        self._redis = redis
        self._contact = contact
        self._operations, self._schedules = operations, schedules
        self._due = DueTasks(lead.connection, worker)
        self._held = HeldTasks(lead.connection, worker)
        self._rescuer = Rescuer(lead, worker)
        self._expired_leases = ExpiredLeases(lead, worker, contact)
        self._pruner = Pruner(lead)
        self._reconciler = Reconciler(lead.connection, redis)
        self._stats = StatCounter(lead)
        self._ledger = Ledger(lead)
        self._errors = ErrorCounter(lead)
        self._keys = KeyExpiry(lead)
        self._fair_share = FairShareThrottle(lead.connection, redis, self._ledger)
        self._reserve = SlotReserve(lead, self._ledger)
        self._expire, self._fall_due = _duty("expire"), _duty("fall due")
        self._end_doomed, self._correct_held = _duty("end held tasks"), _duty("correct held tasks", HELD_INTERVAL)
        self._keep_partitions = _duty("partitions", _PARTITIONS_INTERVAL)
        self._fire_schedules = _duty("fire schedules")
        self._rescue, self._end_leases = (_duty(name, _RESCUE_INTERVAL) for name in ("rescue", "end expired leases"))
        self._prune = _duty("prune", _PRUNE_INTERVAL)
        self._roll_up = _duty("roll up", _ROLL_UP_INTERVAL)
        self._count_errors = _duty("count errors", COUNT_ERRORS_INTERVAL)
        self._reconcile_ledger = _duty("reconcile the ledger", _LEDGER_INTERVAL)
        self._tell_key_expiry = _duty("tell of keys that expire", KEY_EXPIRY_INTERVAL)
        self._count_stats = _duty("count submits", STATS_INTERVAL)
        self._look_at_operations = _duty("look at operations", _OPERATIONS_INTERVAL)
        self._judge_slots = _duty("judge slots", SLOTS_INTERVAL)
        self._wake, self._offer, self._share = _duty("wake"), _duty("offer tickets"), _duty("share")
        self._look_at_redis = _duty("look at Redis", _LOOK_AT_REDIS_INTERVAL)
        self._reconcile = _duty("reconcile tickets", _RECONCILE_INTERVAL)

    @contextlib.asynccontextmanager
    async def with_acts(self) -> AsyncIterator[None]:
        """Run the operations and schedules that the sweeps find, until the block ends."""
        async with contextlib.AsyncExitStack() as stack:
            if self._operations is not None:
                await stack.enter_async_context(self._operations.running())
            if self._schedules is not None:
                await stack.enter_async_context(self._schedules.running())
            yield

    async def tick(self) -> None:
        """Run each sweep that is due. Those that need Redis come last, so that the others go on without Redis.

        Raises ``RedisError``, ``LeadLost``, and the errors of ``db.AWAY`` if Postgres is unavailable.
        """
        # ``ended`` collects tasks for which clients may wait, ``due`` the tenants and pools that need a ticket.
        ended = await self._do(self._expire, self._due.end_expired) or []
        ended += await self._do(self._end_doomed, self._held.end_doomed) or []
        await self._do(self._correct_held, self._held.correct)
        due = await self._do(self._fall_due, self._due.fallen_due) or []
        if self._due.looked_until is not None:
            self._contact.answered(self._due.looked_until)
        if self._schedules is not None:
            await self._do(self._fire_schedules, self._schedules.look)
        # Workers could not write heartbeats while Postgres was away. They get one full lease before any counts as dead.
        # The same holds for the heartbeats of tenants' own workers, which come through the apis.
        for duty, tick in ((self._rescue, self._rescuer.tick), (self._end_leases, self._expired_leases.tick)):
            if duty.is_due() and self._contact.has_lasted(WORKER_DEAD_AFTER):
                rescued = await self._run(duty, tick) or Rescued([], [])
                due += rescued.offers
                ended += rescued.ended
        await self._do(self._prune, self._pruner.tick, at_once=self._pruner.is_behind)
        await self._do(self._roll_up, self._ledger.roll_up)
        await self._do(self._count_errors, self._errors.tick, at_once=self._errors.is_behind)
        await self._do(self._reconcile_ledger, self._ledger.reconcile)
        await self._do(self._tell_key_expiry, self._keys.tick, at_once=self._keys.is_behind)
        await self._do(self._count_stats, self._stats.look)
        await self._do(self._look_at_operations, self._find_operations)
        due += await self._do(self._judge_slots, self._reserve.look) or []
        await self._do(
            self._keep_partitions,
            lambda: partitions.keep_any_tenant(self._lead.connection, self._lead.token, attempts=1),
        )
        # A Redis that does not answer must not delay the next round: rescues and expiry need Postgres alone.
        async with asyncio.timeout(_REDIS_TIMEOUT):
            await self._tell_redis(ended, due)

    async def _find_operations(self) -> None:
        if self._operations is not None:
            self._operations.see(await operation_store.running_any_tenant(self._lead.connection))

    async def _do(self, duty: Duty, work: Callable[[], Awaitable[T]], *, at_once: bool = False) -> T | None:
        return await self._run(duty, work) if duty.is_due(at_once=at_once) else None

    async def _run(self, duty: Duty, work: Callable[[], Awaitable[T]]) -> T | None:
        # Checked before every sweep, because a round may take longer than the lease lasts.
        self._lead.require()
        return await duty.run(work)

    async def _tell_redis(self, ended: list[tuple[UUID, UUID]], due: list[tuple[UUID, str]]) -> None:
        if ended:
            tenants, tasks = {tenant_id for tenant_id, _ in ended}, [task_id for _, task_id in ended]
            await self._do(self._wake, lambda: wakeups.publish_done(self._redis, tasks, tenants, tenants=tenants))
        if due:
            failpoints.hit("due.before_offer")
            offers = [(tenant_id, pool, 1) for tenant_id, pool in due]
            await self._do(self._offer, lambda: tickets.offer_many(self._redis, offers))
        await self._do(self._share, self._fair_share.look)
        has_lost = await self._do(self._look_at_redis, self._reconciler.has_redis_lost)
        await self._do(self._reconcile, self._reconciler.reconcile, at_once=bool(has_lost))


def _duty(name: str, interval: float = 0.0) -> Duty:
    return Duty(name, interval, passes=_ends_round, max_seconds=_DUTY_TIMEOUT)


def _ends_round(error: Exception) -> bool:
    # A deadlock, or a value that the driver cannot send, is a failure of this sweep alone: the server itself works.
    return isinstance(error, _ROUND_ENDING) and not isinstance(error, ValueError | asyncpg.TransactionRollbackError)


async def run(stopping: asyncio.Event) -> None:
    """Lead whenever no other dispatcher does, until ``stopping`` is set."""
    redis = redis_connections.connect(get_settings().redis_url)
    # Three connections: one to end tasks, one for the lease, and the leader's own for its sweeps. The first operation
    # opens two more.
    worker = Database("tq_worker", size=1)
    lease = Database("tq_dispatch", size=1, command_timeout=_COMMAND_TIMEOUT)
    leading, contact = Duty("lead"), PostgresContact()
    operations, schedules = OperationRunners(redis), ScheduleConnections(redis)

    def make(lead: Lead) -> Sweeps:
        return Sweeps(lead, worker, redis, contact, operations.of(lead.token), schedules.of(lead))

    # Before the first statement, so that an old primary is recognised and refused.
    await timelines.exchange(redis)
    rounds = Rounds()
    duties = [
        asyncio.create_task(timelines.follow(redis), name="timelines"),
        asyncio.create_task(heartbeat.beat(worker, "dispatcher", rounds), name="heartbeat"),
    ]
    candidate = _Candidate(lease, contact, make, stopping, rounds)
    try:
        while not stopping.is_set():
            # Each time: a migration may have changed the schema since the last lead.
            await schema.wait_until_it_fits(worker, stopping)
            await leading.run(candidate.lead)
            await _pause(stopping, max(leading.seconds_left, candidate.pause))
    finally:
        for duty in duties:
            duty.cancel()
        await asyncio.wait(duties, timeout=_STOP_TIMEOUT)
        await operations.close()
        await schedules.close()
        await lease.close()
        await worker.close()
        await redis.aclose()


class _Candidate:
    """Tries repeatedly to become the leader. If Postgres is unavailable, it logs that and does not raise."""

    def __init__(
        self,
        lease: Database,
        contact: PostgresContact,
        make_sweeps: Callable[[Lead], Sweeps],
        stopping: asyncio.Event,
        rounds: Rounds,
    ) -> None:
        self._lease, self._contact, self._make_sweeps = lease, contact, make_sweeps
        self._stopping, self._rounds = stopping, rounds
        self._stands_by = False
        self.pause = _STANDBY_INTERVAL
        """Seconds until the next attempt to lead."""

    async def lead(self) -> None:
        """Become the leader and lead as long as possible. Return at once if another dispatcher leads."""
        self.pause = _STANDBY_INTERVAL
        try:
            async with leadership.lead(self._lease, self._contact) as lead:
                self._rounds.ended(leads=lead is not None)
                if lead is None and not self._stands_by:
                    _log.info("dispatcher stands by")
                self._stands_by = lead is None
                if lead is not None:
                    sweeps = self._make_sweeps(lead)
                    async with sweeps.with_acts():
                        await _lead(sweeps.tick, lead, self._stopping, self._rounds)
        except LeadLost:
            self._rounds.ended(leads=False)
            _log.warning("dispatcher leads no more: its lease was not renewed in time")
        except (*AWAY, Unavailable) as error:
            self._rounds.ended(leads=False)
            self.pause = _AWAY_INTERVAL
            if primary.is_misuse(error):
                _log.exception("a transaction was used wrongly")
            _log_limiter.warn("dispatcher waits for Postgres", reason=type(error).__name__)


async def _lead(tick: Callable[[], Awaitable[None]], lead: Lead, stopping: asyncio.Event, rounds: Rounds) -> None:
    _log.info("dispatcher leads")
    known = known_timelines.known()
    checked = known.version
    # When a newer timeline of Postgres becomes known, this connection may lead to an old primary, so the lead ends.
    while not stopping.is_set() and not lead.connection.is_closed() and known.version == checked:
        lead.require()
        try:
            await tick()
        except (RedisError, TimeoutError) as error:
            _log_limiter.warn("tickets not offered", reason=redis_connections.reason(error))
        rounds.ended(leads=True)
        await _pause(stopping, _TICK)


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return
