"""Turn request bodies into stored tasks. Small bodies are read on the event loop, large ones in a thread."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar
from uuid import UUID

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from app.http import problem, strict_json
from app.identity.principal import Principal
from app.quotas.limits import Remaining
from app.tasks import responses
from app.tasks.large_bodies import LargeBodies, is_large
from app.tasks.schemas import BATCH_BOUNDS, BatchRequest, SubmitRequest
from app.tasks.submit import batch as batches
from app.tasks.submit import repeat, validation
from app.tasks.submit.accept import Acceptor
from app.tasks.submit.decision import Accepted
from app.tasks.submit.idempotency import fingerprint
from app.tasks.submit.new_tasks import Idempotency, TaskSpecs
from app.tenants import plans
from app.tenants.plans import Limits

if TYPE_CHECKING:
    import asyncpg

Wanted: TypeAlias = tuple[TaskSpecs, Idempotency | None]
"""The return type of the functions that ``accept`` calls to read a body."""
_Body = TypeVar("_Body", bound=BaseModel)


class Sent(NamedTuple):
    """A received request: its body, the JSON document in the body, and the headers that matter."""

    raw: bytes
    document: Any
    key: str | None
    traceparent: str | None = None


def read_submit(principal: Principal, raw: bytes, key: str | None) -> Wanted:
    """Return what a submit's body asks for. Raises the same errors as FastAPI's route of this path."""
    document = strict_json.loads(raw) if raw else None
    return submission(principal, _validated(SubmitRequest, raw, document), Sent(raw, document, key))


def read_batch(principal: Principal, raw: bytes, key: str | None) -> Wanted:
    """Return what a batch's body asks for. Raises as ``read_submit`` does."""
    document = strict_json.loads(raw, BATCH_BOUNDS.depth) if raw else None
    return batch(principal, _validated(BatchRequest, raw, document).tasks, Sent(raw, document, key))


def _validated(model: type[_Body], raw: bytes, document: Any) -> _Body:
    if not raw:
        raise RequestValidationError([{"type": "missing", "loc": ("body",), "msg": "Field required"}])
    problem.bound_members(document, len(model.model_fields))
    try:
        # FastAPI validates with the same option, so both routes describe an error with the same words.
        return model.model_validate(document, from_attributes=True)
    except ValidationError as error:
        faults = error.errors(include_url=False)[: problem.MAX_FAULTS]
        raise RequestValidationError([{**fault, "loc": ("body", *fault["loc"])} for fault in faults]) from None


def submission(principal: Principal, request: SubmitRequest, sent: Sent) -> Wanted:
    """Return what a submit asks for. Raises ``InvalidRequest``."""
    limits = plans.limits_of(principal)
    task = validation.new_task(principal.tenant_id, limits, request, sent.traceparent)
    return TaskSpecs(principal.tenant_id, limits, (task,)), _idempotency(sent)


def batch(principal: Principal, items: list[Any], sent: Sent) -> Wanted:
    """Return the tasks of a batch; those that cannot be stored are listed as ``invalid``."""
    limits = plans.limits_of(principal)
    return batches.read(principal.tenant_id, limits, items, sent.traceparent), _idempotency(sent)


def repeated(
    principal: Principal, task_id: UUID, ended: "asyncpg.Record", key: str | None, traceparent: str | None
) -> Wanted:
    """Return a new task with the same request as one that has ended. Raises ``InvalidRequest``."""
    specs = repeat.specs(principal.tenant_id, plans.limits_of(principal), task_id, ended, traceparent)
    return specs, _idempotency(Sent(b"", {"retry_of": str(task_id)}, key))


async def accept(
    request: Request, principal: Principal, raw: bytes, read: Callable[[], Wanted], rate: Sequence[Remaining]
) -> tuple[Accepted, Limits]:
    """Store the tasks that ``read`` finds in the body ``raw``; ``rate`` is the remaining rate, for the answer.

    Raises the errors of ``read`` and of ``Acceptor.accept``, ``TooManyLargeBodies``, and the 429 of a limit that has
    refused all tasks.
    """
    large_bodies: LargeBodies = request.app.state.large_bodies
    acceptor: Acceptor = request.app.state.acceptor
    # A small body is read right here: the extra coroutine of a thread would cost more than the reading.
    wanted = await large_bodies.read(principal.tenant_id, raw, read, _count) if is_large(raw) else read()
    specs, idempotency = wanted
    decided = await acceptor.accept(specs, idempotency)
    return responses.require_accepted(decided, specs.limits, rate), specs.limits


def _count(wanted: Wanted) -> int:
    return len(wanted[0].tasks)


def _idempotency(sent: Sent) -> Idempotency | None:
    if sent.key is None:
        return None
    document = validation.without_nulls(sent.document)
    if isinstance(document, dict) and isinstance(items := document.get("tasks"), list):
        document = {**document, "tasks": [validation.without_nulls(item) for item in items]}
    return Idempotency(sent.key, fingerprint(document, is_large=is_large(sent.raw)))
