"""A submit, from the request's body to stored tasks."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from redis.asyncio import Redis

from app.broker import tickets
from app.core import crash
from app.core.errors import IllegalState, NotFound
from app.db import Connection, Database
from app.identity.principal import Principal
from app.quotas import admission
from app.quotas.admission import Admission
from app.tasks import batches, drafts, store
from app.tasks.batches import Batch
from app.tasks.idempotency import Keys, fingerprint
from app.tasks.intake import Intake, NotGranted
from app.tasks.new_tasks import NewTask, Share, Submission
from app.tasks.schemas import SubmitRequest
from app.tasks.status import FINAL, Status
from app.tenants import plans
from app.tenants.plans import Limits

if TYPE_CHECKING:
    import asyncpg

_SMALL_BATCH: Final = 200


class Receipt(NamedTuple):
    """What a submit is answered with; ``is_replay`` when an earlier one with the same key made the task."""

    task_id: UUID
    status: Status
    is_replay: bool
    headers: Mapping[str, str] = {}
    """What is left of the tenant's limits; empty for a replay, which costs nothing."""


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
        self._offers = tickets.Offers(redis)

    async def submit(
        self, principal: Principal, request: SubmitRequest, body: Any, *, key: str | None, traceparent: str | None
    ) -> Receipt:
        """Accept one task; it is durable when this returns.

        ``body`` is the request as it was sent, for the fingerprint. Raises ``InvalidRequest``, ``Idempotency…``,
        ``RateLimited``, ``BacklogFull``, ``…QuotaExceeded`` and ``Unavailable``.
        """
        limits = plans.effective(principal.plan, principal.limits)
        task = drafts.task(principal.tenant_id, limits, request, traceparent)
        return await self._submit(_submission(limits, task, key, body))

    async def retry(self, principal: Principal, task_id: UUID, *, key: str | None, traceparent: str | None) -> Receipt:
        """Accept a new task that is asked the same as one that has ended; it counts against the quotas.

        Raises ``NotFound``, ``IllegalState`` for a task that has not ended, and what ``submit`` raises.
        """
        async with self._reader.transaction(principal.tenant_id) as connection:
            ended = await store.request(connection, principal.tenant_id, task_id)
        if ended is None:
            raise NotFound("There is no such task.")
        if ended["status"] not in FINAL:
            raise IllegalState("The task has not ended. Wait for its end, or cancel it first.")
        limits = plans.effective(principal.plan, principal.limits)
        task = drafts.task(principal.tenant_id, limits, _same_request(ended), traceparent)
        return await self._submit(_submission(limits, task._replace(retry_of=task_id), key, {"retry_of": str(task_id)}))

    async def submit_batch(
        self, principal: Principal, items: list[Any], body: Any, *, key: str | None, traceparent: str | None
    ) -> BatchReceipt:
        """Accept those of the items that can be; they are durable, in one transaction, when this returns.

        Raises what ``submit`` raises where it concerns all of them: then none is stored.
        """
        limits = plans.effective(principal.plan, principal.limits)
        reading = partial(_read_batch, principal.tenant_id, limits, items, body, key, traceparent)
        # A large one is read in a thread, so that others are answered meanwhile.
        wanted, batch = reading() if len(items) <= _SMALL_BATCH else await asyncio.to_thread(reading)
        return await self._keys.once(
            wanted, partial(self._accept_batch, wanted, batch), _recall_batch, partial(self._taken, wanted)
        )

    async def close(self) -> None:
        """Let what is under way end."""
        await self._intake.close()
        await self._offers.close()

    async def _submit(self, wanted: Submission) -> Receipt:
        return await self._keys.once(wanted, partial(self._accept, wanted), _recall, partial(self._taken, wanted))

    async def _taken(self, wanted: Submission) -> None:
        await self._gate.replayed(wanted.tenant_id, wanted.limits)

    async def _accept(self, wanted: Submission) -> Receipt:
        _, headers = await self._store(wanted)
        return Receipt(wanted.id, Status.PENDING, is_replay=False, headers=headers)

    async def _accept_batch(self, wanted: Submission, batch: Batch) -> BatchReceipt:
        if not wanted.tasks:
            # Nothing for the ledger: it counts as a call does.
            headers = await self._gate.call(wanted.tenant_id, wanted.limits)
            return BatchReceipt(batch.answer(None), is_replay=False, headers=headers)
        share, headers = await self._store(wanted)
        if share.granted < len(wanted.tasks):
            self._gate.remember(wanted.tenant_id, wanted.limits, share.grant)
        return BatchReceipt(batch.answer(share), is_replay=False, headers=headers)

    async def _store(self, wanted: Submission) -> tuple[Share, dict[str, str]]:
        rate = await self._gate.submit(wanted.tenant_id, wanted.limits)
        try:
            share = await self._intake.accept(wanted)
        except NotGranted as refused:
            raise self._gate.refusal(wanted.tenant_id, wanted.limits, refused.grant, rate) from None
        self._offer(wanted.tasks[: share.granted])
        return share, admission.admitted(wanted.limits, share.grant, rate)

    def _offer(self, stored: Sequence[NewTask]) -> None:
        crash.point("submission.before_offer")
        # After the commit, and never awaited: a ticket is a hint, and the dispatcher offers one that is lost.
        due: dict[str, int] = {}
        for task in stored:
            if task.is_due:
                due[task.pool] = due.get(task.pool, 0) + 1
        for pool, count in due.items():
            self._offers.add(stored[0].tenant_id, pool, count)


def _submission(limits: Limits, task: NewTask, key: str | None, body: Any) -> Submission:
    return Submission(task.tenant_id, limits, (task,), key, fingerprint(body) if key is not None else b"")


def _read_batch(
    tenant_id: UUID, limits: Limits, items: list[Any], body: Any, key: str | None, traceparent: str | None
) -> tuple[Submission, Batch]:
    batch = batches.read(tenant_id, limits, items, traceparent)
    return Submission(
        tenant_id, limits, batch.tasks, key, fingerprint(body) if key is not None else b"", batch.answer
    ), batch


async def _recall(connection: Connection, found: "asyncpg.Record") -> Receipt:
    status = await store.status(connection, found["tenant_id"], found["task_id"])
    if status is None:
        raise NotFound("The task of this Idempotency-Key is past its retention. Use a new key.")
    return Receipt(found["task_id"], Status(status), is_replay=True)


async def _recall_batch(_: Connection, found: "asyncpg.Record") -> BatchReceipt:
    return BatchReceipt(found["answer"], is_replay=True)


def _same_request(ended: Any) -> SubmitRequest:
    # What was asked, without when: a schedule or an expiry of the past would be of no use.
    asked = ("task", "payload", "priority", "max_attempts", "timeout_seconds", "tags", "webhook_url")
    return SubmitRequest.model_validate({name: ended[name] for name in asked})
