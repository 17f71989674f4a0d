"""From a body to what is to be stored: on the event loop for a small one, in a thread for a large one."""

from typing import Any, NamedTuple, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from app.http import problem, strict_json
from app.identity.principal import Principal
from app.tasks import batches, drafts
from app.tasks.batches import Batch
from app.tasks.idempotency import fingerprint
from app.tasks.large_bodies import is_large
from app.tasks.new_tasks import Submission
from app.tasks.schemas import BATCH_BOUNDS, BatchRequest, SubmitOptions, SubmitRequest
from app.tenants import plans

_Body = TypeVar("_Body", bound=BaseModel)


class Sent(NamedTuple):
    """What was sent: the body, the document in it, and what the headers say."""

    raw: bytes
    document: Any
    key: str | None
    traceparent: str | None = None


def read_submit(principal: Principal, raw: bytes, key: str | None) -> Submission:
    """Return what a submit's body asks for. Raises what FastAPI's route of the same path raises."""
    document = strict_json.loads(raw) if raw else None
    return submission(principal, _validated(SubmitRequest, raw, document), Sent(raw, document, key))


def read_batch(principal: Principal, raw: bytes, key: str | None) -> tuple[Submission, Batch]:
    """Return what a batch's body asks for, and what becomes of each task. Raises as ``read_submit`` does."""
    document = strict_json.loads(raw, BATCH_BOUNDS.depth) if raw else None
    return batch(principal, _validated(BatchRequest, raw, document).tasks, Sent(raw, document, key))


def _validated(model: type[_Body], raw: bytes, document: Any) -> _Body:
    if not raw:
        raise RequestValidationError([{"type": "missing", "loc": ("body",), "msg": "Field required"}])
    problem.bound_members(document, len(model.model_fields))
    try:
        # As FastAPI asks for it, so that a fault is told in the same words.
        return model.model_validate(document, from_attributes=True)
    except ValidationError as error:
        faults = error.errors(include_url=False)[: problem.MAX_FAULTS]
        raise RequestValidationError([{**fault, "loc": ("body", *fault["loc"])} for fault in faults]) from None


def submission(principal: Principal, request: SubmitRequest, sent: Sent) -> Submission:
    """Return what a submit asks for. Raises ``InvalidRequest``."""
    limits = plans.effective(principal.plan, principal.limits)
    task = drafts.task(principal.tenant_id, limits, request, sent.traceparent)
    return Submission(principal.tenant_id, limits, (task,), sent.key, _fingerprint(sent))


def repeated(principal: Principal, task: str, payload: str, options: SubmitOptions, sent: Sent) -> Submission:
    """Return a task that is asked the same as one that was accepted before. Raises ``InvalidRequest``."""
    limits = plans.effective(principal.plan, principal.limits)
    again = drafts.again(principal.tenant_id, payload, options, task, sent.traceparent)
    return Submission(principal.tenant_id, limits, (again,), sent.key, _fingerprint(sent))


def batch(principal: Principal, items: list[Any], sent: Sent) -> tuple[Submission, Batch]:
    """Return those of a batch's tasks that can be stored, and what becomes of each."""
    limits = plans.effective(principal.plan, principal.limits)
    read = batches.read(principal.tenant_id, limits, items, sent.traceparent)
    return Submission(principal.tenant_id, limits, read.tasks, sent.key, _fingerprint(sent), read.answer), read


def _fingerprint(sent: Sent) -> bytes:
    if sent.key is None:
        return b""
    document = drafts.meant(sent.document)
    if isinstance(document, dict) and isinstance(items := document.get("tasks"), list):
        document = {**document, "tasks": [drafts.meant(item) for item in items]}
    return fingerprint(document, is_large=is_large(sent.raw))
