"""Accept new tasks. HTTP submits, batches, retries and every other feature call ``accept``."""

from collections.abc import Collection, Sequence
from uuid import UUID

import asyncpg
from redis.asyncio import Redis

from app.broker import tickets
from app.broker.script_connection import ScriptConnection
from app.core import facts, failpoints
from app.db import Database
from app.quotas.refusals import Refusals
from app.tasks import held_store
from app.tasks.submit import decision
from app.tasks.submit.decision import BACKLOG_RETRY_SECONDS, Accepted, Refused
from app.tasks.submit.group_commit import GroupCommit, IdempotencyKeyTaken
from app.tasks.submit.idempotency import IdempotencyKeys, conflict
from app.tasks.submit.new_tasks import Idempotency, NewTask, Statement, Submission, TaskSpecs


class UnknownTasks(Exception):  # noqa: N818 a fact, not a fault
    """The tenant has no such tasks to wait for. Nothing was stored."""

    def __init__(self, ids: Collection[UUID]) -> None:
        """``ids`` are those that it does not have."""
        super().__init__("no such tasks to wait for")
        self.ids = ids


class Acceptor:
    """Accepts the new tasks of one process."""

    def __init__(self, submit: Database, reader: Database, redis: Redis | ScriptConnection) -> None:
        """``submit`` logs in as tq_submit, ``reader`` as tq_api; ``redis`` carries tickets, and may be unavailable."""
        self._group_commit = GroupCommit(submit, reader)
        self._keys = IdempotencyKeys(reader)
        self._refusals = Refusals()
        self._offers = tickets.Offers(redis)

    async def accept(
        self, specs: TaskSpecs, idempotency: Idempotency | None = None, also: Sequence[Statement] = ()
    ) -> Accepted | Refused:
        """Store the tasks. ``Accepted`` means that they are durable, ``Refused`` that nothing is stored.

        If a limit leaves room for some tasks only, the first ones are stored and the others are refused. ``also`` is
        executed in the same transaction, and then either all tasks are stored or none. It is not executed for a replay.
        Raises ``IdempotencyConflict``, ``IdempotencyMismatch``, ``NotFound`` for a key whose task is past its
        retention, ``UnknownTasks`` for one to wait for that does not exist, and ``Unavailable``.
        """
        if specs.dependencies:
            also = [*also, held_store.hold_statement(specs.tenant_id, specs.dependencies)]
        try:
            decided = await self._decide(Submission(specs, idempotency, also))
        except asyncpg.PostgresError as error:
            if error.sqlstate != held_store.UNKNOWN:
                raise
            raise UnknownTasks([UUID(each) for each in (error.detail or "").split(",")]) from None
        _tell(specs, decided)
        return decided

    async def _decide(self, submission: Submission) -> Accepted | Refused:
        specs, idempotency = submission.specs, submission.idempotency
        if idempotency is None:
            return await self._accept(submission)
        async with self._keys.hold(specs.tenant_id, idempotency) as earlier:
            if earlier is not None:
                return earlier
            try:
                return await self._accept(submission)
            except IdempotencyKeyTaken:
                # Another process was faster, and its commit is visible now.
                return await self._keys.find(specs.tenant_id, idempotency) or conflict()

    async def close(self) -> None:
        """Wait until all submits and offers that have begun are done."""
        await self._group_commit.close()
        await self._offers.close()

    async def _accept(self, submission: Submission) -> Accepted | Refused:
        specs = submission.specs
        if not specs.tasks:
            return Accepted((), specs.invalid, refused=None, grant=None)
        # A remembered refusal saves Postgres a transaction. A replay has been answered before, so it is never refused.
        if known := self._refusals.find(specs.tenant_id, specs.limits):
            return Refused(known.policy, known.seconds or BACKLOG_RETRY_SECONDS, len(specs.tasks), None)
        granted = await self._group_commit.accept(submission)
        decided = decision.decide(specs, granted)
        refused = decided if isinstance(decided, Refused) else decided.refused
        if refused is not None:
            self._refusals.remember(specs.tenant_id, specs.limits, refused.policy, refused.retry_after)
        self._offer(specs.tasks[: granted.stored])
        return decided

    def _offer(self, stored: Sequence[NewTask]) -> None:
        failpoints.hit("accept.before_offer")
        # After the commit, so that a worker finds the task. Nobody waits for it: a ticket is only a hint, and the
        # dispatcher offers another one if it is lost.
        due: dict[str, int] = {}
        for task in stored:
            if task.is_due:
                due[task.pool] = due.get(task.pool, 0) + 1
        for pool, count in due.items():
            self._offers.add(stored[0].tenant_id, pool, count)


def _tell(specs: TaskSpecs, decided: Accepted | Refused) -> None:
    if not facts.is_heard("submit"):
        return
    counts: dict[str, int] = {}
    if isinstance(decided, Accepted):
        counts["replayed" if decided.is_replay else "accepted"] = len(decided.task_ids)
        counts["invalid"] = len(decided.invalid)
    refused = decided if isinstance(decided, Refused) else decided.refused
    if refused is not None:
        counts[refused.policy] = refused.tasks
    for outcome, tasks in counts.items():
        if tasks:
            facts.tell("submit", {"outcome": outcome, "tasks": tasks, "tenant_id": str(specs.tenant_id)})
