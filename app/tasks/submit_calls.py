"""Handlers of the calls that store tasks: submit, batch and retry.

The event loop parses a small body itself; a thread parses a large one.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import Response

from app.core import traceparent as traceparents
from app.http.strict_json import Incoming
from app.identity.principal import Principal
from app.quotas.limits import Remaining
from app.tasks import responses
from app.tasks.definition.own_types import OwnType, OwnTypesNeeded
from app.tasks.large_bodies import is_large
from app.tasks.parameters import IdempotencyKey, TaskId, TraceParent
from app.tasks.parts import TaskParts
from app.tasks.schemas import BatchRequest, SubmitRequest
from app.tasks.submit import batch, dependencies, repeat, validation
from app.tasks.submit.accept import UnknownTasks
from app.tasks.submit.decision import Accepted
from app.tasks.submit.idempotency import fingerprint
from app.tasks.submit.new_tasks import Idempotency, TaskSpecs
from app.tenants import plans
from app.tenants.plans import Limits

Rate: TypeAlias = Sequence[Remaining]
Wanted: TypeAlias = tuple[TaskSpecs, Idempotency | None]
"""The tasks and the idempotency key that a request asks for."""
Own: TypeAlias = Mapping[str, OwnType] | None
"""The tenant's own task types by name; None while they are not known."""


async def submit_task(
    request: Request,
    principal: Principal,
    rate: Rate,
    parts: TaskParts,
    body: Incoming[SubmitRequest],
    idempotency_key: IdempotencyKey = None,
    traceparent: TraceParent = None,
) -> Response:
    """Accept a task: a 202 means that it is stored and will finish."""
    _log_trace(request, traceparent)
    with parts.large_bodies.receiving(principal.tenant_id, request.scope["headers"], body.bounds.size):
        raw = await body.receive()
        read = partial(read_submit, principal, body, idempotency_key, traceparent)
        accepted, limits = await _accept(parts, principal, rate, raw, read)
    # For the request log: the path of a submit has no task id.
    request.scope["state"]["task_id"] = str(accepted.task_ids[0])
    return responses.accepted(accepted, limits, rate)


async def submit_tasks(
    request: Request,
    principal: Principal,
    rate: Rate,
    parts: TaskParts,
    body: Incoming[BatchRequest],
    idempotency_key: IdempotencyKey = None,
    traceparent: TraceParent = None,
) -> Response:
    """Accept many tasks at once. Each task is checked by itself, and its outcome says whether it is stored.

    All tasks are stored in one transaction. A batch counts as one request for the rate limit. A 429 means that no task
    was accepted.
    """
    _log_trace(request, traceparent)
    with parts.large_bodies.receiving(principal.tenant_id, request.scope["headers"], body.bounds.size):
        raw = await body.receive()
        read = partial(read_batch, principal, body, idempotency_key, traceparent)
        accepted, limits = await _accept(parts, principal, rate, raw, read)
        return responses.batch(accepted, limits, rate)


async def retry_task(
    request: Request,
    principal: Principal,
    rate: Rate,
    parts: TaskParts,
    task_id: TaskId,
    idempotency_key: IdempotencyKey = None,
    traceparent: TraceParent = None,
) -> Response:
    """Run an ended task again, as a new task. The new task counts against the quotas."""
    _log_trace(request, traceparent)
    ended = await repeat.find_ended(parts.reader, principal.tenant_id, task_id)

    def read(own: Own = None) -> Wanted:
        specs = repeat.specs(principal.tenant_id, plans.limits_of(principal), task_id, ended, traceparent, own)
        return specs, _idempotency(idempotency_key, {"retry_of": str(task_id)}, b"")

    accepted, limits = await _accept(parts, principal, rate, ended["payload"].encode(), read)
    return responses.accepted(accepted, limits, rate, retry_of=task_id)


async def _accept(
    parts: TaskParts, principal: Principal, rate: Rate, raw: bytes, read: Callable[..., Wanted]
) -> tuple[Accepted, Limits]:
    """Store the tasks that ``read`` returns. Return the decision, and the tenant's limits.

    ``raw`` is the body, whose size decides where ``read`` runs. If ``read`` raises ``OwnTypesNeeded`` it is called
    again with the tenant's own types (``own``). ``rate`` is what remains of the rate limit. Raises the errors of
    ``read`` and of ``Acceptor.accept``, ``TooManyLargeBodies``, and the 429 of a limit that refuses all.
    """
    # A small body is parsed right here, because an extra coroutine would cost more than to parse it.
    try:
        wanted = await parts.large_bodies.read(principal.tenant_id, raw, read, _count) if is_large(raw) else read()
    except OwnTypesNeeded as needed:
        again = partial(read, own=await parts.own_types.of(principal.tenant_id, needed.name))
        wanted = await parts.large_bodies.read(principal.tenant_id, raw, again, _count)
    specs, idempotency = wanted
    try:
        decided = await parts.acceptor.accept(specs, idempotency)
    except UnknownTasks as error:
        # Another tenant's task is unknown, too.
        raise dependencies.unknown(specs.dependencies, error.ids) from None
    return responses.require_accepted(decided, specs.limits, rate), specs.limits


def read_submit(
    principal: Principal,
    body: Incoming[SubmitRequest],
    key: str | None,
    traceparent: str | None = None,
    own: Own = None,
) -> Wanted:
    """Return the task of a submit, and its idempotency key. ``body`` must have been received.

    Raises ``MalformedBody``, ``RequestValidationError``, ``InvalidRequest`` and ``OwnTypesNeeded``.
    """
    limits = plans.limits_of(principal)
    request = body.read()
    task = validation.new_task(principal.tenant_id, limits, request, traceparent, own)
    waits_for = dependencies.read(task.id, request.after) if request.after else ()
    return TaskSpecs(principal.tenant_id, limits, (task,), dependencies=waits_for), _idempotency(
        key, body.document, body.raw
    )


def read_batch(
    principal: Principal, body: Incoming[BatchRequest], key: str | None, traceparent: str | None = None, own: Own = None
) -> Wanted:
    """Return the tasks of a batch, and its idempotency key. Tasks that are not valid are in ``invalid``.

    Raises ``MalformedBody`` and ``RequestValidationError`` if the batch itself is not valid, and ``OwnTypesNeeded``.
    """
    limits = plans.limits_of(principal)
    specs = batch.read(principal.tenant_id, limits, body.read().tasks, traceparent, own)
    return specs, _idempotency(key, body.document, body.raw)


def _idempotency(key: str | None, document: Any, raw: bytes) -> Idempotency | None:
    if key is None:
        return None
    document = validation.without_nulls(document)
    if isinstance(document, dict) and isinstance(items := document.get("tasks"), list):
        # The same rule for each task of a batch.
        document = {**document, "tasks": [validation.without_nulls(item) for item in items]}
    return Idempotency(key, fingerprint(document, is_large=is_large(raw)))


def _count(wanted: Wanted) -> int:
    return len(wanted[0].tasks)


def _log_trace(request: Request, traceparent: str | None) -> None:
    request.scope["state"]["trace_id"] = traceparents.trace_id(traceparent)
