"""A submit, from the request's body to a stored task."""

import asyncio
import hashlib
import json
import logging
from dataclasses import dataclass, field, replace
from typing import Any, Final, NoReturn
from uuid import UUID

from pydantic import ValidationError
from redis.asyncio import Redis

from app.broker import tickets
from app.core import crash, ids
from app.core.config import get_settings
from app.core.errors import IdempotencyConflict, IdempotencyMismatch, IllegalState, InvalidRequest, NotFound
from app.db import Database
from app.identity.principal import Principal
from app.quotas import admission
from app.quotas.admission import Admission
from app.tasks import store, types
from app.tasks.intake import IdempotencyKeyTaken, Intake, NewTask, NotGranted
from app.tasks.schemas import FINAL, Status, SubmitRequest
from app.tenants import plans
from app.tenants.plans import Limits
from app.webhooks import urls

_log = logging.getLogger(__name__)

_WAIT_FOR_FIRST: Final = 2.0
_compact: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a submit is answered with; ``is_replay`` when an earlier one with the same key made the task."""

    task_id: UUID
    status: Status
    is_replay: bool
    headers: dict[str, str] = field(default_factory=dict)
    """What is left of the tenant's limits; empty for a replay, which costs nothing."""


class Submissions:
    """The submits of one api process."""

    def __init__(self, gate: Admission, intake: Intake, reader: Database, redis: Redis) -> None:
        """``reader`` logs in as tq_api; ``redis`` carries tickets, and may be away."""
        self._gate = gate
        self._intake = intake
        self._reader = reader
        # Two submits with one key in one group would meet in one statement: the second waits for the first here.
        self._under_way: dict[tuple[UUID, str], asyncio.Event] = {}
        self._offers = tickets.Offers(redis)

    async def submit(
        self, principal: Principal, request: SubmitRequest, body: Any, *, key: str | None, traceparent: str | None
    ) -> Receipt:
        """Accept one task; it is durable when this returns.

        ``body`` is the request as it was sent, for the fingerprint. Raises ``InvalidRequest``, ``Idempotency…``,
        ``RateLimited``, ``BacklogFull``, ``…QuotaExceeded`` and ``Unavailable``.
        """
        limits = plans.effective(principal.plan, principal.limits)
        fingerprint = _fingerprint(body) if key is not None else b""
        return await self._submit(_new_task(principal, limits, request, key, fingerprint, traceparent), limits)

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
        fingerprint = _fingerprint({"retry_of": str(task_id)})
        limits = plans.effective(principal.plan, principal.limits)
        task = _new_task(principal, limits, _same_request(ended), key, fingerprint, traceparent)
        return await self._submit(replace(task, retry_of=task_id), limits)

    async def close(self) -> None:
        """Let what is under way end."""
        await self._intake.close()
        await self._offers.close()

    async def _submit(self, task: NewTask, limits: Limits) -> Receipt:
        if task.idempotency_key is not None:
            return await self._submit_once(task, limits, task.idempotency_key)
        return await self._accept(task, limits)

    async def _submit_once(self, task: NewTask, limits: Limits, key: str) -> Receipt:
        await self._let_first_end((task.tenant_id, key))
        first = self._under_way[task.tenant_id, key] = asyncio.Event()
        try:
            replay = await self._replay(task, key)
            if replay is not None:
                return replay
            try:
                return await self._accept(task, limits)
            except IdempotencyKeyTaken:
                await self._gate.replayed(task.tenant_id, limits)
                return await self._replay(task, key) or _conflict()
        finally:
            del self._under_way[task.tenant_id, key]
            first.set()

    async def _let_first_end(self, key: tuple[UUID, str]) -> None:
        try:
            async with asyncio.timeout(_WAIT_FOR_FIRST):
                while (first := self._under_way.get(key)) is not None:
                    await first.wait()
        except TimeoutError:
            _conflict()

    async def _replay(self, task: NewTask, key: str) -> Receipt | None:
        async with self._reader.transaction(task.tenant_id) as connection:
            found = await store.find_key(connection, task.tenant_id, key)
            if found is None:
                return None
            task_id, fingerprint = found
            if fingerprint != task.fingerprint:
                raise IdempotencyMismatch("This Idempotency-Key was used with another body. Use a new key.")
            status = await store.status(connection, task.tenant_id, task_id)
        if status is None:
            raise NotFound("The task of this Idempotency-Key is past its retention. Use a new key.")
        return Receipt(task_id, Status(status), is_replay=True)

    async def _accept(self, task: NewTask, limits: Limits) -> Receipt:
        rate = await self._gate.submit(task.tenant_id, limits)
        try:
            grant = await self._intake.accept(task)
        except NotGranted as refused:
            raise self._gate.refusal(task.tenant_id, limits, refused.grant, rate) from None
        self._offer(task)
        headers = admission.admitted(limits, grant, rate) if grant else {}
        return Receipt(task.id, Status.PENDING, is_replay=False, headers=headers)

    def _offer(self, task: NewTask) -> None:
        crash.point("submission.before_offer")
        if task.delay_seconds == 0 and task.scheduled_at is None:
            # After the commit, and never awaited: a ticket is a hint, and the dispatcher offers one that is lost.
            self._offers.add(task.tenant_id, task.pool)


def _conflict() -> NoReturn:
    raise IdempotencyConflict(
        "The first request with this Idempotency-Key is still under way. Send it again in a few seconds.",
        headers={"Retry-After": "2"},
    )


def _fingerprint(body: Any) -> bytes:
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).digest()


def _same_request(ended: Any) -> SubmitRequest:
    # What was asked, without when: a schedule or an expiry of the past would be of no use.
    asked = ("task", "payload", "priority", "max_attempts", "timeout_seconds", "tags", "webhook_url")
    return SubmitRequest.model_validate({name: ended[name] for name in asked})


def _new_task(
    principal: Principal,
    limits: Limits,
    request: SubmitRequest,
    key: str | None,
    fingerprint: bytes,
    traceparent: str | None,
) -> NewTask:
    task_type = types.find(request.task)
    if task_type is None:
        raise _invalid("/task", "unknown task type: GET /api/task-types lists them")
    payload = _compact(request.payload)
    _check_payload(task_type, payload)
    if len(payload.encode()) > limits.payload_bytes:
        raise _invalid("/payload", f"larger than the {limits.payload_bytes} bytes of this plan")
    _check_webhook_url(request.webhook_url)
    return NewTask(
        tenant_id=principal.tenant_id,
        id=ids.new_id(),
        task=task_type.name,
        pool=task_type.pool,
        priority=request.priority,
        payload=payload,
        delay_seconds=request.delay_seconds or 0,
        scheduled_at=request.scheduled_at,
        expires_seconds=request.expires_seconds,
        max_attempts=min(request.max_attempts or task_type.max_attempts, task_type.max_attempts),
        time_limit_seconds=min(request.timeout_seconds or task_type.time_limit, task_type.time_limit),
        timeout_seconds=request.timeout_seconds,
        tags=request.tags,
        webhook_url=request.webhook_url,
        retry_of=None,
        traceparent=traceparent,
        idempotency_key=key,
        fingerprint=fingerprint,
        tasks_per_day=limits.tasks_per_day,
        tasks_per_month=limits.tasks_per_month,
        backlog=limits.backlog,
    )


def _check_payload(task_type: types.TaskType, payload: str) -> None:
    try:
        # JSON mode, strict: "5", true and 5.0 are no integers, but a date may be written as JSON can write it.
        task_type.payload.model_validate_json(payload, strict=True)
    except ValidationError as error:
        errors = [
            {"pointer": "#/payload" + "".join(f"/{part}" for part in fault["loc"]), "detail": fault["msg"]}
            for fault in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        detail = f"The payload is not what {task_type.name} takes: see errors, and GET /api/task-types."
        raise InvalidRequest(detail, errors=errors) from None


def _check_webhook_url(url: str | None) -> None:
    if url is not None and (objection := urls.objection(url, get_settings().webhook_allowed_networks)):
        raise _invalid("/webhook_url", objection)


def _invalid(pointer: str, detail: str) -> InvalidRequest:
    return InvalidRequest(
        "The request is not valid: see errors.", errors=[{"pointer": f"#{pointer}", "detail": detail}]
    )
