"""Group commit: concurrent submits of a process share one transaction, and none is answered before it is durable."""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Final, TypeAlias
from uuid import UUID

from app.core import failpoints
from app.core.batcher import Batcher, Entry
from app.core.errors import Unavailable
from app.db import Connection, Database
from app.quotas import usage
from app.quotas.schemas import Grant
from app.tasks import store
from app.tasks.submit import decision
from app.tasks.submit.decision import Granted
from app.tasks.submit.new_tasks import Statement, Submission

_log = logging.getLogger(__name__)

_SMALL_ROWS: Final = 100
_MAX_ROWS: Final = 512
_MAX_BYTES: Final = 1_000_000

_NOBODY: Final[frozenset[UUID]] = frozenset()

_Outcome: TypeAlias = Exception | Granted
_Asked: TypeAlias = "Entry[Submission, _Outcome]"


class IdempotencyKeyTaken(Exception):  # noqa: N818 a fact, not a fault
    """Another process has just stored a task under this key: look it up again."""


class _NotAllGranted(Exception):  # noqa: N818 a fact, not a fault
    """The ledger admits only some tasks of a submission that is stored whole or not at all."""


class FairQueue:
    """Submissions that wait to be written, of each tenant in its order; the tenants take turns."""

    def __init__(self) -> None:
        # A tenant that was served, and has more, goes to the end.
        self._queues: dict[UUID, deque[_Asked]] = {}
        self.locked: Collection[UUID] = _NOBODY
        """Tenants that are passed over: another transaction holds the lock on their ledger."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._queues

    def add(self, entry: _Asked) -> None:
        """Add a submission at the end of its tenant's queue."""
        tenant_id = entry[0].specs.tenant_id
        queue = self._queues.get(tenant_id)
        if queue is None:
            queue = self._queues[tenant_id] = deque()
        queue.append(entry)

    def take(self) -> list[_Asked]:
        """Take the next group, one submission of each tenant in turn.

        A submission is never divided: one that is larger than a group is a group of its own.
        """
        group: list[_Asked] = []
        rows = size = 0
        turn = deque((tenant_id, queue) for tenant_id, queue in self._queues.items() if tenant_id not in self.locked)
        while turn:
            tenant_id, queue = turn[0]
            following = queue[0][0].specs.tasks
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
        # The next tenant of this turn is the first of the next group.
        for tenant_id, queue in turn:
            del self._queues[tenant_id]
            self._queues[tenant_id] = queue
        return group


class GroupCommit:
    """Writes tasks in groups: while one transaction is under way, what arrives waits for the next one.

    It has no timer: an idle process writes a lone task at once. Large batches have a batcher of their own, so that
    nobody waits for another tenant's batch, and each batcher serves the tenants in turn.
    """

    def __init__(self, submit: Database, reader: Database) -> None:
        """``submit`` logs in as tq_submit; ``reader``, as tq_api, finds out how a lost commit ended."""
        self._submit = submit
        self._reader = reader
        small, large = FairQueue(), FairQueue()
        self._small: Batcher[Submission, _Outcome] = Batcher(
            partial(self._write_beside, waiting=large, start_other=self._start_large), queue=small
        )
        self._large: Batcher[Submission, _Outcome] = Batcher(
            partial(self._write_beside, waiting=small, start_other=self._small.start), queue=large
        )
        self._alone: set[asyncio.Task[_Outcome]] = set()

    async def accept(self, submission: Submission) -> Granted:
        """Return how many of the tasks are stored, once they are committed and flushed; 0: the ledger refuses all.

        A submission with ``also`` has a transaction of its own, and is stored whole or not at all.
        Raises ``IdempotencyKeyTaken``, or ``Unavailable`` when it is unknown or known not to be stored. A caller that
        is cancelled leaves the group as it is.
        """
        if submission.also:
            outcome = await self._write_alone(submission)
        else:
            batcher = self._small if len(submission.specs.tasks) <= _SMALL_ROWS else self._large
            outcome = await batcher.ask(submission)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def close(self) -> None:
        """Wait until everything that was handed in is decided."""
        while self._small.is_running or self._large.is_running or self._alone:
            await self._small.close()
            await self._large.close()
            if self._alone:
                await asyncio.wait(self._alone)

    def _start_large(self) -> None:
        self._large.start()

    async def _write_beside(
        self, group: Sequence[Submission], waiting: FairQueue, start_other: Callable[[], None]
    ) -> list[_Outcome]:
        """Write a group of one batcher, while the other passes over its tenants.

        Their ledgers are locked: one of them would hold up the other batcher's whole group.
        """
        waiting.locked = frozenset(submission.specs.tenant_id for submission in group)
        try:
            outcomes = await self._outcomes(group)
        finally:
            waiting.locked = _NOBODY
        if not waiting.is_empty:
            # It may have waited for a tenant of this group, and goes first now.
            start_other()
            await asyncio.sleep(0)
        return outcomes

    async def _write_alone(self, submission: Submission) -> _Outcome:
        # Shielded, because a caller that goes away must not cancel a commit.
        task = asyncio.create_task(self._outcome_alone(submission), name="submit")
        self._alone.add(task)
        task.add_done_callback(self._alone.discard)
        return await asyncio.shield(task)

    async def _outcome_alone(self, submission: Submission) -> _Outcome:
        [outcome] = await self._outcomes([submission])
        return outcome

    async def _outcomes(self, group: Sequence[Submission]) -> list[_Outcome]:
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

    async def _write(self, group: Sequence[Submission]) -> list[_Outcome]:
        """Store what is granted. Where no submission has a key or statements of its own it is one round trip."""
        if any(submission.idempotency is not None or submission.also for submission in group):
            outcomes = await self._write_in_transaction(group)
        else:
            async with self._submit.statement() as connection:
                failpoints.hit("group_commit.before_commit")
                outcomes = [*await _accept(connection, group)]
        failpoints.hit("group_commit.after_commit")
        return outcomes

    async def _write_in_transaction(self, group: Sequence[Submission]) -> list[_Outcome]:
        granted: dict[UUID, Granted] = {}
        also = [statement for submission in group for statement in submission.also]
        try:
            async with self._submit.transaction(*{submission.specs.tenant_id for submission in group}) as connection:
                await _execute(connection, (statement for statement in also if statement.runs_first))
                taken = await _take_keys(connection, group)
                ours = [submission for submission in group if submission.idempotency is None or submission.id in taken]
                granted = dict(zip((each.id for each in ours), await _accept(connection, ours), strict=True))
                if also:
                    _require_all(group, granted)
                await _settle_keys(connection, [(each, granted[each.id]) for each in ours if each.id in taken])
                await _execute(connection, (statement for statement in also if not statement.runs_first))
                failpoints.hit("group_commit.before_commit")
        except _NotAllGranted:
            return [_rolled_back(granted[each.id]) if each.id in granted else IdempotencyKeyTaken() for each in group]
        return [granted.get(each.id) or IdempotencyKeyTaken() for each in group]

    async def _read_back(self, group: Sequence[Submission]) -> list[_Outcome]:
        """Find out what became of a write whose answer was lost: all that was granted is stored, or nothing is."""
        tenants = {each.specs.tenant_id for each in group}
        try:
            async with self._reader.transaction(*tenants) as connection:
                task_ids = [task.id for each in group for task in each.specs.tasks]
                stored = await store.existing_any_tenant(connection, task_ids)
                ledgers = {tenant_id: await usage.standing(connection, tenant_id) for tenant_id in tenants}
        except Unavailable as error:
            return [error for _ in group]
        return [_found(each, stored, ledgers[each.specs.tenant_id]) for each in group]


async def _execute(connection: Connection, statements: Iterable[Statement]) -> None:
    for statement in statements:
        await connection.execute(statement.sql, *statement.arguments)


def _require_all(group: Sequence[Submission], granted: Mapping[UUID, Granted]) -> None:
    """Roll the transaction back where a key was taken or some task was not granted."""
    for submission in group:
        share = granted.get(submission.id)
        if share is None or share.stored < len(submission.specs.tasks):
            raise _NotAllGranted


def _rolled_back(granted: Granted) -> Granted:
    """Return the refusal of all tasks, with the ledger as it stands without those that were counted."""
    grant, count = granted.grant, granted.stored
    used = grant._replace(
        granted=0,
        day_used=grant.day_used - count,
        month_used=grant.month_used - count,
        waiting=grant.waiting - count,
    )
    return Granted(0, used)


async def _take_keys(connection: Connection, group: Sequence[Submission]) -> set[UUID]:
    """Return the ids of the submissions whose key was free."""
    keyed = [submission for submission in group if submission.idempotency is not None]
    return await store.take_keys_any_tenant(connection, keyed) if keyed else set()


async def _settle_keys(connection: Connection, taken: Sequence[tuple[Submission, Granted]]) -> None:
    """Give back the keys of what is refused, and keep with the others what became of several tasks."""
    await store.release_keys_any_tenant(connection, [each for each, granted in taken if not granted.stored])
    texts = [(each, decision.to_text(each.specs, granted)) for each, granted in taken]
    await store.keep_decisions_any_tenant(connection, [(each, text) for each, text in texts if text is not None])


async def _accept(connection: Connection, group: Sequence[Submission]) -> list[Granted]:
    """Count and store what is granted; return how much that is of each submission."""
    if not group:
        return []
    counts: Counter[UUID] = Counter()
    for submission in group:
        counts[submission.specs.tenant_id] += len(submission.specs.tasks)
    limits = {submission.specs.tenant_id: submission.specs.limits for submission in group}
    demands = {tenant_id: usage.demand(limit, counts[tenant_id]) for tenant_id, limit in limits.items()}
    tasks = [task for submission in group for task in submission.specs.tasks]
    return _deal(group, await store.accept_any_tenant(connection, demands, tasks))


def _deal(group: Sequence[Submission], grants: Mapping[UUID, Grant]) -> list[Granted]:
    """Return each submission's part of what its tenant was granted: oldest first, so the latest are refused."""
    remaining = {tenant_id: grant.granted for tenant_id, grant in grants.items()}
    dealt = []
    for submission in group:
        stored = min(len(submission.specs.tasks), remaining[submission.specs.tenant_id])
        remaining[submission.specs.tenant_id] -= stored
        dealt.append(Granted(stored, grants[submission.specs.tenant_id]))
    return dealt


def _found(submission: Submission, stored: set[UUID], ledger: Grant) -> _Outcome:
    """Return what was granted of a submission of which these tasks are stored."""
    specs = submission.specs
    count = sum(task.id in stored for task in specs.tasks)
    asked = usage.demand(specs.limits, len(specs.tasks))
    return Granted(count, usage.granted(ledger, asked, count)) if count else Unavailable()
