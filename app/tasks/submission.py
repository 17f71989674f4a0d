"""A submit, from the request's body to stored tasks."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from redis.asyncio import Redis

from app.broker import tickets
from app.core import failpoints
from app.core.errors import IllegalState, NotFound
from app.db import Connection, Database
from app.identity.principal import Principal
from app.quotas import admission
from app.quotas import limits as policies
from app.quotas.admission import Admission
from app.quotas.limits import Left
from app.tasks import bodies, store
from app.tasks.batches import Batch
from app.tasks.idempotency import Keys
from app.tasks.intake import Intake, NotGranted
from app.tasks.large_bodies import LargeBodies, is_large
from app.tasks.new_tasks import NewTask, Share, Submission
from app.tasks.schemas import SubmitOptions
from app.tasks.status import FINAL, Status

if TYPE_CHECKING:
    import asyncpg


class Receipt(NamedTuple):
    """What a submit is answered with; ``is_replay`` when an earlier one with the same key made the task."""

    task_id: UUID
    status: Status
    is_replay: bool
    headers: Mapping[str, str] = {}
    """What is left of the tenant's limits: of its rate alone for a replay, which costs no quota."""


class BatchReceipt(NamedTuple):
    """What a batch is answered with: ``answer`` is the body."""

    answer: str
    is_replay: bool
    headers: Mapping[str, str] = {}


class Submissions:
    """The submits of one api process."""

    def __init__(self, gate: Admission, intake: Intake, reader: Database, redis: Redis) -> None:
        """``reader`` logs in as tq_api; ``redis`` carries tickets, and may be away."""
        self._gate = gate
        self._intake = intake
        self._reader = reader
        self._keys = Keys(reader)
        self.large_bodies = LargeBodies()
        self._offers = tickets.Offers(redis)

    async def submit(
        self, principal: Principal, raw: bytes, read: Callable[[], Submission], rate: Sequence[Left]
    ) -> Receipt:
        """Accept one task; it is durable when this returns.

        ``read`` reads the body ``raw``; ``rate`` is what admission has said. Raises what ``read`` raises,
        ``Idempotency…``, ``TooManyLargeBodies``, ``BacklogFull``, ``…QuotaExceeded`` and ``Unavailable``.
        """
        # A plain submit needs no coroutine more.
        wanted = await self.large_bodies.read(principal.tenant_id, raw, read, _count) if is_large(raw) else read()
        return await self._keys.once(wanted, partial(self._accept, wanted, rate), partial(_recall, wanted, rate))

    async def retry(
        self, principal: Principal, task_id: UUID, rate: Sequence[Left], *, key: str | None, traceparent: str | None
    ) -> Receipt:
        """Accept a new task that is asked the same as one that has ended; it counts against the quotas.

        Raises ``NotFound``, ``IllegalState`` for a task that has not ended, and what ``submit`` raises.
        """
        async with self._reader.transaction(principal.tenant_id) as connection:
            ended = await store.request_to_repeat(connection, principal.tenant_id, task_id)
        if ended is None:
            raise NotFound("There is no such task.")
        if ended["status"] not in FINAL:
            raise IllegalState("The task has not ended. Wait for its end, or cancel it first.")
        read = partial(_read_again, principal, task_id, ended, key, traceparent)
        return await self.submit(principal, ended["payload"].encode(), read, rate)

    async def submit_batch(
        self, principal: Principal, raw: bytes, read: Callable[[], tuple[Submission, Batch]], rate: Sequence[Left]
    ) -> BatchReceipt:
        """Accept those of a batch's tasks that can be; they are durable, in one transaction, when this returns.

        Raises what ``submit`` raises where it concerns all of them: then none is stored.
        """
        wanted, batch = await self.large_bodies.read(principal.tenant_id, raw, read, _count_batch)
        return await self._keys.once(
            wanted,
            partial(self._accept_batch, wanted, batch, rate),
            partial(_recall_batch, wanted, rate),
        )

    async def close(self) -> None:
        """Let what is under way end."""
        self.large_bodies.close()
        await self._intake.close()
        await self._offers.close()

    async def _accept(self, wanted: Submission, rate: Sequence[Left]) -> Receipt:
        _, headers = await self._store(wanted, rate)
        return Receipt(wanted.id, Status.PENDING, is_replay=False, headers=headers)

    async def _accept_batch(self, wanted: Submission, batch: Batch, rate: Sequence[Left]) -> BatchReceipt:
        if not wanted.tasks:
            # Nothing for the ledger: its answer is that of a call.
            return BatchReceipt(batch.answer(None), is_replay=False, headers=_call_fields(wanted, rate))
        share, headers = await self._store(wanted, rate)
        if share.granted < len(wanted.tasks):
            self._gate.remember(wanted.tenant_id, wanted.limits, share.grant)
        return BatchReceipt(batch.answer(share), is_replay=False, headers=headers)

    async def _store(self, wanted: Submission, rate: Sequence[Left]) -> tuple[Share, dict[str, str]]:
        self._gate.check_ledger(wanted.tenant_id, wanted.limits)
        try:
            share = await self._intake.accept(wanted)
        except NotGranted as refused:
            raise self._gate.refusal(wanted.tenant_id, wanted.limits, refused.grant, rate) from None
        self._offer(wanted.tasks[: share.granted])
        return share, admission.admitted(wanted.limits, share.grant, rate)

    def _offer(self, stored: Sequence[NewTask]) -> None:
        failpoints.hit("submission.before_offer")
        # After the commit, and never awaited: a ticket is a hint, and the dispatcher offers one that is lost.
        due: dict[str, int] = {}
        for task in stored:
            if task.is_due:
                due[task.pool] = due.get(task.pool, 0) + 1
        for pool, count in due.items():
            self._offers.add(stored[0].tenant_id, pool, count)


def _count(_: Submission) -> int:
    return 1


def _count_batch(read: tuple[Submission, Batch]) -> int:
    return len(read[0].tasks)


def _call_fields(wanted: Submission, rate: Sequence[Left]) -> dict[str, str]:
    """Return the RateLimit fields of an answer that costs no quota."""
    return policies.fields(policies.call_policies(wanted.limits), rate)


async def _recall(wanted: Submission, rate: Sequence[Left], connection: Connection, found: "asyncpg.Record") -> Receipt:
    status = await store.status(connection, found["tenant_id"], found["task_id"])
    if status is None:
        raise NotFound("The task of this Idempotency-Key is past its retention. Use a new key.")
    return Receipt(found["task_id"], Status(status), is_replay=True, headers=_call_fields(wanted, rate))


async def _recall_batch(
    wanted: Submission, rate: Sequence[Left], _: Connection, found: "asyncpg.Record"
) -> BatchReceipt:
    return BatchReceipt(found["answer"], is_replay=True, headers=_call_fields(wanted, rate))


def _read_again(
    principal: Principal, task_id: UUID, ended: Any, key: str | None, traceparent: str | None
) -> Submission:
    # What was asked, without when: a schedule or an expiry of the past would be of no use.
    asked = ("priority", "max_attempts", "timeout_seconds", "tags", "webhook_url")
    options = SubmitOptions.model_validate({name: ended[name] for name in asked})
    sent = bodies.Sent(b"", {"retry_of": str(task_id)}, key, traceparent)
    wanted = bodies.repeated(principal, ended["task"], ended["payload"], options, sent)
    return wanted._replace(tasks=(wanted.tasks[0]._replace(retry_of=task_id),))
