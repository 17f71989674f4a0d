"""Accepting tasks: concurrent submits of a process share one transaction, and none answers before it is durable."""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from typing import Final, TypeAlias
from uuid import UUID

from app.core import failpoints
from app.core.errors import Unavailable
from app.db import Connection, Database
from app.quotas import usage
from app.quotas.schemas import Grant
from app.tasks import store
from app.tasks.new_tasks import Share, Submission

_log = logging.getLogger(__name__)

_SMALL_ROWS: Final = 100
_MAX_ROWS: Final = 512
_MAX_BYTES: Final = 1_000_000
_UNDECIDED_AFTER: Final = 1.9


_NOBODY: Final[frozenset[UUID]] = frozenset()

_Outcome: TypeAlias = Exception | Share
_Asked: TypeAlias = tuple[Submission, "asyncio.Future[Share]"]


class IdempotencyKeyTaken(Exception):  # noqa: N818 a fact, not a fault
    """Another process has just stored a task under this key: look it up again."""


class NotGranted(Exception):  # noqa: N818 a fact, not a fault
    """The ledger refuses every task of the submission: a quota is used up, or the backlog is full."""

    def __init__(self, grant: Grant) -> None:
        """``grant`` says which."""
        super().__init__(grant)
        self.grant = grant


class _Waiting:
    """What waits to be written, of each tenant in its order."""

    def __init__(self) -> None:
        # A tenant that was served, and has more, goes to the end.
        self._queues: dict[UUID, deque[_Asked]] = {}

    def __bool__(self) -> bool:
        return bool(self._queues)

    def add(self, submission: Submission, stored: "asyncio.Future[Share]") -> None:
        queue = self._queues.get(submission.tenant_id)
        if queue is None:
            queue = self._queues[submission.tenant_id] = deque()
        queue.append((submission, stored))

    def take(self, without: Collection[UUID]) -> list[_Asked]:
        """Take the next group, one submission of each tenant in turn.

        A submission is never divided: one that is larger than a group is a group of its own.
        """
        group: list[_Asked] = []
        rows = size = 0
        turn = deque((tenant_id, queue) for tenant_id, queue in self._queues.items() if tenant_id not in without)
        while turn:
            tenant_id, queue = turn[0]
            following = queue[0][0].tasks
            rows += len(following)
            size += sum(len(task.payload) for task in following)
            if group and (rows > _MAX_ROWS or size > _MAX_BYTES):
                break
            group.append(queue.popleft())
            if queue:
                turn.rotate(-1)
            else:
                turn.popleft()
                del self._queues[tenant_id]
        # Whoever comes next in this turn is the first of the next one.
        for tenant_id, queue in turn:
            del self._queues[tenant_id]
            self._queues[tenant_id] = queue
        return group


class _Lane:
    """What is written one group after the other."""

    def __init__(self) -> None:
        self.waiting = _Waiting()
        self.running: asyncio.Task[None] | None = None
        self.writing: frozenset[UUID] = _NOBODY
        """The tenants of the group that is being written."""


class Intake:
    """Writes tasks in groups: while one transaction is under way, what arrives waits for the next one.

    No timer: an idle process writes a lone task at once. Large batches have a lane of their own, so that nobody waits
    for another tenant's batch, and each lane serves the tenants in turn.
    """

    def __init__(self, submit: Database, reader: Database) -> None:
        """``submit`` logs in as tq_submit; ``reader``, as tq_api, finds out how a lost commit ended."""
        self._submit = submit
        self._reader = reader
        self._small, self._large = _Lane(), _Lane()

    async def accept(self, submission: Submission) -> Share:
        """Return how many of the tasks are stored, at least one, once they are committed and flushed.

        Raises ``NotGranted``, ``IdempotencyKeyTaken``, or ``Unavailable`` when it is unknown or known not to be
        stored. A caller that is cancelled leaves the group as it is.
        """
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[Share] = loop.create_future()
        lane = self._small if len(submission.tasks) <= _SMALL_ROWS else self._large
        lane.waiting.add(submission, stored)
        self._start(lane)
        deadline = loop.call_later(_UNDECIDED_AFTER, _give_up, stored)
        try:
            return await stored
        finally:
            deadline.cancel()

    async def close(self) -> None:
        """Wait until everything that was handed in is decided."""
        while running := [lane.running for lane in (self._small, self._large) if lane.running is not None]:
            await asyncio.wait(running)

    def _start(self, lane: "_Lane") -> None:
        if lane.running is None:
            lane.running = asyncio.create_task(self._run(lane), name="intake")

    async def _run(self, lane: "_Lane") -> None:
        other = self._large if lane is self._small else self._small
        try:
            # The ledger of a tenant that the other lane writes for is locked: it would hold up the whole group.
            while taken := lane.waiting.take(other.writing):
                # Nobody waits any more for what has waited too long: its caller was told that it is not stored.
                if group := [each for each in taken if not each[1].done()]:
                    lane.writing = frozenset(submission.tenant_id for submission, _ in group)
                    await self._decide(group)
                    lane.writing = _NOBODY
                if other.waiting:
                    # It may have waited for a tenant of this group, and goes first now.
                    self._start(other)
                    await asyncio.sleep(0)
        finally:
            lane.running, lane.writing = None, _NOBODY

    async def _decide(self, group: list[_Asked]) -> None:
        outcomes = await self._outcomes([submission for submission, _ in group])
        for (_, stored), outcome in zip(group, outcomes, strict=True):
            if stored.done():
                continue
            if isinstance(outcome, Exception):
                stored.set_exception(outcome)
            else:
                stored.set_result(outcome)

    async def _outcomes(self, group: list[Submission]) -> list[_Outcome]:
        try:
            return await self._write(group)
        except Unavailable:
            return await self._read_back(group)
        except Exception as error:  # noqa: BLE001 it is raised to the caller
            if len(group) == 1:
                _log.exception("a submission could not be stored")
                return [error]
            # One bad row must not refuse its neighbours: each is tried alone.
            return [(await self._outcomes([submission]))[0] for submission in group]

    async def _write(self, group: list[Submission]) -> list[_Outcome]:
        """Store what is granted. Where no submission has a key it is one round trip."""
        if any(submission.idempotency_key is not None for submission in group):
            outcomes = await self._write_with_keys(group)
        else:
            async with self._submit.statement() as connection:
                failpoints.hit("intake.before_commit")
                outcomes = list(map(_outcome, await _accept(connection, group)))
        failpoints.hit("intake.after_commit")
        return outcomes

    async def _write_with_keys(self, group: list[Submission]) -> list[_Outcome]:
        async with self._submit.transaction(*{submission.tenant_id for submission in group}) as connection:
            taken = await _take_keys(connection, group)
            ours = [submission for submission in group if submission.idempotency_key is None or submission.id in taken]
            shares = await _accept(connection, ours)
            await _settle_keys(
                connection, [(each, share) for each, share in zip(ours, shares, strict=True) if each.id in taken]
            )
            failpoints.hit("intake.before_commit")
        by_id = {each.id: share for each, share in zip(ours, shares, strict=True)}
        return [_outcome(by_id.get(each.id)) for each in group]

    async def _read_back(self, group: list[Submission]) -> list[_Outcome]:
        """Find out what became of a write whose answer was lost: all that was granted is stored, or nothing is."""
        tenants = {each.tenant_id for each in group}
        try:
            async with self._reader.transaction(*tenants) as connection:
                stored = await store.existing_any_tenant(connection, [task.id for each in group for task in each.tasks])
                ledgers = {tenant_id: await usage.standing(connection, tenant_id) for tenant_id in tenants}
        except Unavailable as error:
            return [error for _ in group]
        return [_found(each, stored, ledgers[each.tenant_id]) for each in group]


def _give_up(stored: "asyncio.Future[Share]") -> None:
    if not stored.done():
        stored.set_exception(Unavailable())


def _outcome(share: Share | None) -> _Outcome:
    if share is None:
        return IdempotencyKeyTaken()
    return share if share.granted else NotGranted(share.grant)


async def _take_keys(connection: Connection, group: Sequence[Submission]) -> set[UUID]:
    """Return the ids of the submissions whose key was free."""
    keyed = [submission for submission in group if submission.idempotency_key is not None]
    return await store.take_keys_any_tenant(connection, keyed) if keyed else set()


async def _settle_keys(connection: Connection, taken: Sequence[tuple[Submission, Share]]) -> None:
    """Give back the keys of what is refused, and keep with the others what a replay is answered with."""
    await store.release_keys_any_tenant(connection, [each for each, share in taken if not share.granted])
    answers = [(each, each.answer(share)) for each, share in taken if share.granted and each.answer is not None]
    await store.keep_answers_any_tenant(connection, answers)


async def _accept(connection: Connection, group: Sequence[Submission]) -> list[Share]:
    """Count and store what is granted; return each submission's share of it."""
    if not group:
        return []
    counts: Counter[UUID] = Counter()
    for submission in group:
        counts[submission.tenant_id] += len(submission.tasks)
    limits = {submission.tenant_id: submission.limits for submission in group}
    demands = {tenant_id: usage.demand(limit, counts[tenant_id]) for tenant_id, limit in limits.items()}
    tasks = [task for submission in group for task in submission.tasks]
    return _deal(group, await store.accept_any_tenant(connection, demands, tasks))


def _deal(group: Sequence[Submission], grants: Mapping[UUID, Grant]) -> list[Share]:
    """Return each submission's share of what its tenant was granted: oldest first, so the latest are refused."""
    left = {tenant_id: grant.granted for tenant_id, grant in grants.items()}
    shares = []
    for submission in group:
        granted = min(len(submission.tasks), left[submission.tenant_id])
        left[submission.tenant_id] -= granted
        shares.append(Share(granted, grants[submission.tenant_id]))
    return shares


def _found(submission: Submission, stored: set[UUID], ledger: Grant) -> _Outcome:
    """Return the share of a submission of which these tasks are stored."""
    count = sum(task.id in stored for task in submission.tasks)
    asked = usage.demand(submission.limits, len(submission.tasks))
    return Share(count, usage.granted(ledger, asked, count)) if count else Unavailable()
