"""Accepting tasks: concurrent submits of a process share one transaction, and none answers before it is durable."""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

from app.core import crash
from app.core.errors import Unavailable
from app.db import Connection, Database
from app.quotas import usage
from app.quotas.schemas import Demand, Grant
from app.tasks import store

_log = logging.getLogger(__name__)

_MAX_ROWS: Final = 128
_MAX_BYTES: Final = 1_000_000
_UNDECIDED_AFTER: Final = 1.9


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task as it is to be stored; ``payload`` is JSON text, times are seconds from the database's now."""

    tenant_id: UUID
    id: UUID
    task: str
    pool: str
    priority: int
    payload: str
    delay_seconds: float
    scheduled_at: datetime | None
    expires_seconds: float | None
    max_attempts: int
    time_limit_seconds: float
    timeout_seconds: float | None
    tags: Sequence[str]
    webhook_url: str | None
    retry_of: UUID | None
    traceparent: str | None
    idempotency_key: str | None
    fingerprint: bytes
    tasks_per_day: int
    tasks_per_month: int
    backlog: int
    """How many tasks of the tenant may wait."""


_Submit: TypeAlias = tuple[NewTask, "asyncio.Future[Grant | None]"]
_Outcome: TypeAlias = Exception | Grant | None


class IdempotencyKeyTaken(Exception):  # noqa: N818 a fact, not a fault
    """Another process has just stored a task under this key: look it up again."""


class NotGranted(Exception):  # noqa: N818 a fact, not a fault
    """The ledger refuses the task: a quota is used up, or the backlog is full."""

    def __init__(self, grant: Grant) -> None:
        """``grant`` says which."""
        super().__init__(grant)
        self.grant = grant


class Intake:
    """Writes tasks in groups: while one transaction is under way, what arrives waits for the next one.

    No timer: an idle process writes a lone task at once.
    """

    def __init__(self, submit: Database, reader: Database) -> None:
        """``submit`` logs in as tq_submit; ``reader``, as tq_api, finds out how a lost commit ended."""
        self._submit = submit
        self._reader = reader
        self._waiting: deque[_Submit] = deque()
        self._lane: asyncio.Task[None] | None = None

    async def accept(self, task: NewTask) -> Grant | None:
        """Return what the ledger says once the task is committed and flushed; ``None`` after a lost commit.

        Raises ``NotGranted``, ``IdempotencyKeyTaken``, or ``Unavailable`` when it is unknown or known not to be
        stored. A caller that is cancelled leaves the group as it is.
        """
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[Grant | None] = loop.create_future()
        self._waiting.append((task, stored))
        if self._lane is None:
            self._lane = asyncio.create_task(self._run(), name="intake")
        deadline = loop.call_later(_UNDECIDED_AFTER, _give_up, stored)
        try:
            return await stored
        finally:
            deadline.cancel()

    async def close(self) -> None:
        """Wait until everything that was handed in is decided."""
        if self._lane is not None:
            await self._lane

    async def _run(self) -> None:
        try:
            while self._waiting:
                if group := self._next_group():
                    await self._decide(group)
        finally:
            self._lane = None

    def _next_group(self) -> list[_Submit]:
        group = [self._waiting.popleft()]
        size = len(group[0][0].payload)
        while self._waiting and len(group) < _MAX_ROWS:
            size += len(self._waiting[0][0].payload)
            if size > _MAX_BYTES:
                break
            group.append(self._waiting.popleft())
        # Nobody waits any more for what has waited too long: its caller was told that it is not stored.
        return [(task, stored) for task, stored in group if not stored.done()]

    async def _decide(self, group: list[_Submit]) -> None:
        outcomes = await self._outcomes([task for task, _ in group])
        for (_, stored), outcome in zip(group, outcomes, strict=True):
            if stored.done():
                continue
            if isinstance(outcome, Exception):
                stored.set_exception(outcome)
            else:
                stored.set_result(outcome)

    async def _outcomes(self, tasks: list[NewTask]) -> list[_Outcome]:
        try:
            return await self._write(tasks)
        except Unavailable:
            return await self._read_back(tasks)
        except Exception as error:  # noqa: BLE001 it is raised to the caller
            if len(tasks) == 1:
                _log.exception("a task could not be stored")
                return [error]
            # One bad row must not refuse its neighbours: each is tried alone.
            return [(await self._outcomes([task]))[0] for task in tasks]

    async def _write(self, tasks: list[NewTask]) -> list[_Outcome]:
        async with self._submit.transaction(*{task.tenant_id for task in tasks}) as connection:
            refused = await _take_keys(connection, tasks)
            grants, not_granted = await _count(connection, [task for task in tasks if task.id not in refused])
            refused |= not_granted
            crash.point("intake.before_insert")
            await store.insert_any_tenant(connection, [task for task in tasks if task.id not in refused])
            crash.point("intake.before_commit")
        crash.point("intake.after_commit")
        return [refused.get(task.id) or grants[task.tenant_id] for task in tasks]

    async def _read_back(self, tasks: list[NewTask]) -> list[_Outcome]:
        """Find out how a lost commit ended: a task is stored if it can be read."""
        try:
            async with self._reader.transaction(*{task.tenant_id for task in tasks}) as connection:
                stored = await store.existing_any_tenant(connection, [task.id for task in tasks])
        except Unavailable:
            stored = set()
        return [None if task.id in stored else Unavailable() for task in tasks]


def _give_up(stored: "asyncio.Future[Grant | None]") -> None:
    if not stored.done():
        stored.set_exception(Unavailable())


async def _take_keys(connection: Connection, tasks: Iterable[NewTask]) -> dict[UUID, Exception]:
    keyed = [task for task in tasks if task.idempotency_key is not None]
    if not keyed:
        return {}
    taken = await store.take_keys_any_tenant(connection, keyed)
    return {task.id: IdempotencyKeyTaken() for task in keyed if task.id not in taken}


async def _count(connection: Connection, tasks: Sequence[NewTask]) -> tuple[dict[UUID, Grant], dict[UUID, Exception]]:
    """Count the tasks against their tenants' limits; oldest first, so the latest are refused."""
    counts = Counter(task.tenant_id for task in tasks)
    limits = {task.tenant_id: (task.tasks_per_day, task.tasks_per_month, task.backlog) for task in tasks}
    grants = await usage.reserve(
        connection, {tenant_id: Demand(count, *limits[tenant_id]) for tenant_id, count in counts.items()}
    )
    left = {tenant_id: grant.granted for tenant_id, grant in grants.items()}
    refused: dict[UUID, Exception] = {}
    for task in tasks:
        left[task.tenant_id] -= 1
        if left[task.tenant_id] < 0:
            refused[task.id] = NotGranted(grants[task.tenant_id])
    await store.release_keys_any_tenant(connection, [task for task in tasks if task.id in refused])
    return grants, refused
