"""Fire due schedules: store their tasks by ``accept``, together with the rows that say what became of each fire."""

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg
from redis.asyncio import Redis

from app.core import failpoints
from app.core.errors import Unavailable
from app.core.log_limiter import LogLimiter
from app.db import AWAY, Connection, Database
from app.quotas import usage
from app.quotas.schemas import Quota
from app.schedules import decisions, store
from app.schedules.decisions import Decision, DueSchedule
from app.schedules.store import FireRow, Step
from app.schedules.timing import timing_of
from app.tasks.run import cancellation
from app.tasks.run.end import ManyCancelled
from app.tasks.submit import copies
from app.tasks.submit.accept import Acceptor
from app.tasks.submit.decision import Refused
from app.tasks.submit.new_tasks import NewTask, TaskSpecs
from app.tenants import plans
from app.tenants.plans import Limits

_log = logging.getLogger(__name__)
_log_limiter = LogLimiter(_log)

# Schedules of one tenant that are read together.
_AT_ONCE: Final = 100
# Tasks of one transaction, which holds the lock of the tenant's submits, and characters of their payloads. One step of
# a schedule is never divided, so it may have more characters.
_MAX_TASKS: Final = decisions.MAX_FIRES
_MAX_CHARACTERS: Final = 4_000_000
# Tenants that are served at the same time, each by a connection.
CONNECTIONS: Final = 4
# Seconds after which a schedule that cannot be fired is tried again.
_RETRY: Final = 10.0


class _Planned(NamedTuple):
    """A schedule with what its step does."""

    row: asyncpg.Record
    decision: Decision
    tasks: Sequence[NewTask]


class Firing:
    """Fires schedules for a dispatcher that leads."""

    def __init__(self, worker: Database, submit: Database, acceptor: Acceptor, redis: Redis, fence: UUID) -> None:
        """``worker`` logs in as tq_worker, ``submit`` as tq_submit; ``fence`` is the token of the lease."""
        self._worker, self._submit, self._acceptor = worker, submit, acceptor
        self._redis, self._fence = redis, fence
        self._turns = asyncio.Semaphore(CONNECTIONS)
        # Schedules that could not be fired, with the time of ``time.monotonic`` of the next attempt.
        self._failing: dict[UUID, float] = {}

    def ready(self, due: Sequence[tuple[UUID, UUID]]) -> dict[UUID, list[UUID]]:
        """Return the schedules of each tenant, without those that have just failed; ``due`` are tenants and ids."""
        now = time.monotonic()
        self._failing = {key: until for key, until in self._failing.items() if until > now}
        found: dict[UUID, list[UUID]] = {}
        for tenant_id, key in sorted(set(due)):
            if key not in self._failing:
                found.setdefault(tenant_id, []).append(key)
        return found

    async def fire(self, tenant_id: UUID, keys: Sequence[UUID]) -> None:
        """Do a step of each of a tenant's schedules. What fails is logged, and tried again later."""
        for start in range(0, len(keys), _AT_ONCE):
            if not await self._try(tenant_id, keys[start : start + _AT_ONCE]):
                return

    async def _try(self, tenant_id: UUID, keys: Sequence[UUID]) -> bool:
        """Return whether Postgres has answered, so that more may be asked."""
        try:
            await self._step(tenant_id, keys)
        except (Unavailable, *AWAY) as error:
            _log_limiter.warn("schedules wait for Postgres", reason=type(error).__name__)
            return False
        except Exception as error:  # noqa: BLE001 other schedules must go on
            if getattr(error, "sqlstate", None) == store.MOVED:
                # One has changed, or another dispatcher leads. The next look reads it again.
                return True
            if len(keys) > 1:
                # One by one, as long as Postgres answers.
                for key in keys:
                    if not await self._try(tenant_id, [key]):
                        return False
                return True
            self._failing[keys[0]] = time.monotonic() + _RETRY
            if isinstance(error, asyncpg.UniqueViolationError):
                await self._pass_over(tenant_id, keys[0])
                return True
            _log.exception(
                "a schedule cannot be fired", extra={"tenant_id": str(tenant_id), "schedule_id": str(keys[0])}
            )
        return True

    async def _step(self, tenant_id: UUID, keys: Sequence[UUID]) -> None:
        async with self._turns, self._worker.transaction(tenant_id) as connection:
            rows = await store.standing(connection, tenant_id, keys)
            planned = [each for row in rows if (each := _plan(tenant_id, row)) is not None]
            if not planned:
                return
            limits = plans.effective(planned[0].row["plan"], planned[0].row["limits"])
            # Asked before, because a submit with ``also`` is refused as a whole if there is room for a part only.
            room = await _room(connection, tenant_id, limits)
        failpoints.hit("schedule.before_fire")
        for together in _groups(_within(planned, room)):
            # A turn is one transaction, so that a tenant with many does not keep others waiting.
            async with self._turns:
                await self._accept(tenant_id, limits, together)
        failpoints.hit("schedule.after_fire")

    async def _accept(self, tenant_id: UUID, limits: Limits, planned: Sequence[_Planned]) -> None:
        """Record the steps together with their tasks."""
        steps, fires = _written(planned)
        statements = store.record_statements_any_tenant(tenant_id, steps, fires, self._fence)
        tasks = [task for each in planned for task in each.tasks]
        if tasks:
            decided = await self._acceptor.accept(TaskSpecs(tenant_id, limits, tasks), also=statements)
            if isinstance(decided, Refused):
                # Other submits were faster and have taken the room. Nothing is recorded, and the next look asks again.
                return
        else:
            async with self._submit.transaction(tenant_id) as connection:
                for statement in statements:
                    await connection.execute(statement.sql, *statement.arguments)
        # After the commit: a fire that waits is recorded before the task that it waits for is cancelled.
        await self._cancel(tenant_id, planned)

    async def _pass_over(self, tenant_id: UUID, key: UUID) -> None:
        """Move a schedule on whose fire has a row already: this time has been decided before."""
        async with self._worker.transaction(tenant_id) as connection:
            rows = await store.standing(connection, tenant_id, [key])
        steps, _ = _written(
            [_Planned(row, replace(plan.decision, fires=[]), []) for row in rows if (plan := _plan(tenant_id, row))]
        )
        async with self._submit.transaction(tenant_id) as connection:
            for statement in store.record_statements_any_tenant(tenant_id, steps, [], self._fence):
                await connection.execute(statement.sql, *statement.arguments)

    async def _cancel(self, tenant_id: UUID, planned: Sequence[_Planned]) -> None:
        """Cancel the tasks for whose end a fire waits."""
        task_ids = sorted({each.row["last_task_id"] for each in planned if each.decision.cancels})
        if task_ids:
            await cancellation.cancel_many(
                self._worker, self._redis, tenant_id, task_ids, asks_running=True, settle=_settle
            )


async def _settle(_connection: Connection, _cancelled: ManyCancelled) -> None:
    """Do nothing: the steps are recorded before."""


def _plan(tenant_id: UUID, row: asyncpg.Record) -> _Planned | None:
    standing = DueSchedule(
        timing=timing_of(row, row["schedule_id"], row["created_at"]),
        recent_statuses=[status for status in row["recent_statuses"] or () if status],
        **{
            name: row[name]
            for name in (
                "overlap", "catch_up", "catch_up_seconds", "max_fires", "fires", "next_fire_at", "queued_fire_at",
                "last_status", "pause_after_failures", "is_suspended",
            )
        },
    )  # fmt: skip
    decision = decisions.decide(standing, row["now"])
    before, after = (row["next_fire_at"], row["queued_fire_at"]), (decision.next_fire_at, decision.queued_fire_at)
    # A fire that still waits for a running task: writing the same again would only cost.
    if not decision.fires and before == after and not decision.cancels:
        return None
    return _Planned(
        row, decision, [copies.new_task(tenant_id, row, expires_seconds=row["expires_seconds"]) for _ in decision.fired]
    )


async def _room(connection: Connection, tenant_id: UUID, limits: Limits) -> tuple[int, Quota]:
    """Return the number of tasks that the limits still allow, and the limit that allows the fewest."""
    ledger = await usage.standing(connection, tenant_id)
    left: dict[Quota, int] = {"backlog": limits.backlog - ledger.waiting}
    if limits.tasks_per_day != plans.UNLIMITED:
        left["day"] = limits.tasks_per_day - ledger.day_used
    if limits.tasks_per_month != plans.UNLIMITED:
        left["month"] = limits.tasks_per_month - ledger.month_used
    limit = min(left, key=lambda name: left[name])
    return left[limit], limit


def _within(planned: Sequence[_Planned], room: tuple[int, Quota]) -> list[_Planned]:
    """Return the steps, those for whose tasks there is no room as refused ones."""
    left, limit = room
    found = []
    for each in planned:
        has_room = len(each.tasks) <= left
        left -= len(each.tasks) if has_room else 0
        found.append(each if has_room else each._replace(decision=each.decision.refused(limit), tasks=[]))
    return found


def _groups(planned: Sequence[_Planned]) -> Iterator[list[_Planned]]:
    """Yield the steps in groups of which each is one transaction."""
    group: list[_Planned] = []
    tasks = characters = 0
    for each in planned:
        size = sum(len(task.payload) for task in each.tasks)
        if group and (tasks + len(each.tasks) > _MAX_TASKS or characters + size > _MAX_CHARACTERS):
            yield group
            group, tasks, characters = [], 0, 0
        group.append(each)
        tasks, characters = tasks + len(each.tasks), characters + size
    yield group


def _written(planned: Sequence[_Planned]) -> tuple[list[Step], list[FireRow]]:
    steps, fires = [], []
    for row, decision, tasks in planned:
        task_ids = iter([task.id for task in tasks])
        steps.append(
            Step(
                id=row["schedule_id"],
                version=row["version"],
                next_fire_at=decision.next_fire_at,
                queued_fire_at=decision.queued_fire_at,
                last_fire_at=decision.last_fire_at,
                last_task_id=tasks[-1].id if tasks else None,
                fires=len(tasks),
                paused_by="failures" if decision.paused_for else None,
                pause_note=f"{decision.paused_for} tasks have failed in a row." if decision.paused_for else None,
            )
        )
        fires += [
            FireRow(
                schedule_id=row["schedule_id"],
                task_id=next(task_ids) if fire.outcome == "fired" else None,
                fire_at=fire.fire_at,
                outcome=fire.outcome,
                reason=fire.reason,
                count=fire.count,
                until=fire.until,
            )
            for fire in decision.fires
        ]
    return steps, fires
