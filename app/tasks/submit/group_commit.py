"""Group commit: concurrent submits of a process share one transaction, and are answered when it is durable."""

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

# Tasks of a submission that may share a group with single submits.
_SMALL_ROWS: Final = 100
# Tasks, and bytes of their payloads, in one group: they bound how long the others wait for the next group.
_MAX_ROWS: Final = 512
_MAX_BYTES: Final = 1_000_000

_NOBODY: Final[frozenset[UUID]] = frozenset()

_Outcome: TypeAlias = Exception | Granted
_Asked: TypeAlias = "Entry[Submission, _Outcome]"


class IdempotencyKeyTaken(Exception):  # noqa: N818 a fact, not a fault
    """Another process has just stored a task under this key. Look the key up again."""


class _NotAllGranted(Exception):  # noqa: N818 a fact, not a fault
    """The ledger admits only some tasks of a submission that must be stored as a whole."""


class FairQueue:
    """Submissions that wait to be written. Each tenant has a queue, and the queues are served round-robin."""

    def __init__(self) -> None:
        # A tenant that was served and has more submissions moves to the end.
        self._queues: dict[UUID, deque[_Asked]] = {}
        self.locked: Collection[UUID] = _NOBODY
        """Tenants to skip, because another transaction has locked their ledger."""

    @property
    def is_empty(self) -> bool:
        """Return whether no submission waits."""
        return not self._queues

    def add(self, entry: _Asked) -> None:
        """Add a submission at the end of its tenant's queue."""
        tenant_id = entry[0].specs.tenant_id
        queue = self._queues.get(tenant_id)
        if queue is None:
            queue = self._queues[tenant_id] = deque()
        queue.append(entry)

    def take(self) -> list[_Asked]:
        """Remove the next group and return it: one submission of each tenant in turn, until the group is full.

        Tenants in ``locked`` are skipped. A submission is never divided: a very large one is a group of its own.
        """
        group: list[_Asked] = []
        rows = size = 0
        in_turn = deque((tenant_id, queue) for tenant_id, queue in self._queues.items() if tenant_id not in self.locked)
        while in_turn:
            tenant_id, queue = in_turn[0]
            following = queue[0][0].specs.tasks
            rows += len(following)
            size += sum(len(task.payload) for task in following)
            if group and (rows > _MAX_ROWS or size > _MAX_BYTES):
                break
            group.append(queue.popleft())
            if queue:
                in_turn.rotate(-1)
            else:
                in_turn.popleft()
                del self._queues[tenant_id]
        # The tenant that would be served next becomes the first one of the next group.
        for tenant_id, queue in in_turn:
            del self._queues[tenant_id]
            self._queues[tenant_id] = queue
        return group


class GroupCommit:
    """Writes tasks in groups. Submits that arrive during a transaction are written together in the next one.

    There is no timer, so an idle process writes a single task at once. Large batches have a batcher of their own, so
    that small submits do not wait for another tenant's batch. Each batcher serves the tenants round-robin.
    """

    def __init__(self, submit: Database, reader: Database) -> None:
        """``submit`` logs in as tq_submit. ``reader`` (tq_api) reads whether a commit without an answer succeeded."""
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
        """Return how many of the tasks are stored, committed and flushed to disk. 0 means that a limit refuses all.

        A submission with ``also`` has its own transaction, and is stored as a whole or not at all.
        Raises ``IdempotencyKeyTaken``, and ``Unavailable`` if the tasks are not stored or if that is unknown.
        Cancelling the caller does not affect the group.
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
        """Wait until every submission that has begun is decided."""
        # A loop, because a batcher that ends may start the other one.
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
        """Write a group of one batcher. Meanwhile the other batcher skips the tenants of this group.

        The group locks their ledgers, so one of these tenants would delay the whole group of the other batcher.
        """
        waiting.locked = frozenset(submission.specs.tenant_id for submission in group)
        try:
            return await self._outcomes(group)
        finally:
            waiting.locked = _NOBODY
            if not waiting.is_empty:
                # The other batcher may have waited for a tenant of this group, so it starts before the next group.
                start_other()
                await asyncio.sleep(0)

    async def _write_alone(self, submission: Submission) -> _Outcome:
        # Shielded, because a client that disconnects must not cancel a commit.
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
            # The connection may have broken after the commit, so Postgres is asked what it has stored.
            return await self._read_back(group)
        except Exception as error:  # noqa: BLE001 ``accept`` raises it
            if len(group) == 1:
                # A function of ours that refuses has decided; its caller knows what to say.
                if not str(getattr(error, "sqlstate", "")).startswith("TQ"):
                    _log.exception("a submission could not be stored")
                return [error]
            # A row that Postgres refuses must not affect the other submissions, so each one is written alone.
            return [(await self._outcomes([submission]))[0] for submission in group]

    async def _write(self, group: Sequence[Submission]) -> list[_Outcome]:
        """Store the granted tasks. It takes one round trip if no submission has a key or extra statements."""
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
                # The order matters, because it is the order of locks: extra rows, keys, ledger and tasks.
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
        """Find out whether a write without an answer was committed: all granted tasks are stored, or none is."""
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
    """Roll the transaction back, by an error, if a key was in use or a task was not granted."""
    for submission in group:
        part = granted.get(submission.id)
        if part is None or part.stored < len(submission.specs.tasks):
            raise _NotAllGranted


def _rolled_back(granted: Granted) -> Granted:
    """Return the refusal of all tasks, with the tenant's ledger as it is after the rollback."""
    grant, count = granted.grant, granted.stored
    used = grant._replace(
        granted=0,
        day_used=grant.day_used - count,
        month_used=grant.month_used - count,
        waiting=grant.waiting - count,
    )
    return Granted(0, used)


async def _take_keys(connection: Connection, group: Sequence[Submission]) -> set[UUID]:
    """Store the keys of the submissions. Return the ids of those whose key was free."""
    keyed = [submission for submission in group if submission.idempotency is not None]
    return await store.take_keys_any_tenant(connection, keyed) if keyed else set()


async def _settle_keys(connection: Connection, taken: Sequence[tuple[Submission, Granted]]) -> None:
    """Release the keys of refused submissions, and store the decisions about batches with their keys."""
    await store.release_keys_any_tenant(connection, [each for each, granted in taken if not granted.stored])
    texts = [(each, decision.to_text(each.specs, granted)) for each, granted in taken]
    await store.keep_decisions_any_tenant(connection, [(each, text) for each, text in texts if text is not None])


async def _accept(connection: Connection, group: Sequence[Submission]) -> list[Granted]:
    """Count the tasks, store those that are granted, and return the granted part of each submission."""
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
    """Divide each tenant's grant among its submissions, oldest first, so that the latest ones are refused."""
    remaining = {tenant_id: grant.granted for tenant_id, grant in grants.items()}
    dealt = []
    for submission in group:
        stored = min(len(submission.specs.tasks), remaining[submission.specs.tenant_id])
        remaining[submission.specs.tenant_id] -= stored
        dealt.append(Granted(stored, grants[submission.specs.tenant_id]))
    return dealt


def _found(submission: Submission, stored: set[UUID], ledger: Grant) -> _Outcome:
    """Return the granted part of a submission, given the ids of all stored tasks and the tenant's ledger."""
    # None stored: the commit failed, or the ledger refused all. The caller may safely try again in both cases.
    specs = submission.specs
    count = sum(task.id in stored for task in specs.tasks)
    asked = usage.demand(specs.limits, len(specs.tasks))
    return Granted(count, usage.granted(ledger, asked, count)) if count else Unavailable()
