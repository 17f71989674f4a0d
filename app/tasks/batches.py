"""The tasks of a batch: each is read by itself, and what becomes of each is told in its place."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from app.core.errors import InvalidRequest, Problem
from app.http import problem
from app.quotas import admission
from app.tasks import drafts
from app.tasks.new_tasks import NewTask, Share
from app.tasks.schemas import SubmitRequest
from app.tenants.plans import Limits

_MAX_ERRORS: Final = 5
# Of an object with more than these, more members are unknown than are described.
_MAX_MEMBERS: Final = len(SubmitRequest.model_fields) + problem.MAX_FAULTS
_ITEMS: Final = TypeAdapter(list[SubmitRequest])
_compact: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class Batch:
    """The tasks that may be stored, and what else there was."""

    limits: Limits
    tasks: Sequence[NewTask]
    places: Sequence[int]
    """Where in the request each of the tasks was."""
    outcomes: Sequence[str]
    """JSON, one for each place, as if all tasks were granted."""

    def answer(self, share: Share | None) -> str:
        """Return the body of the answer; ``share`` says how many of the tasks are stored."""
        outcomes = self.outcomes
        if share is not None and share.granted < len(self.tasks):
            refused = _refused(admission.refused(self.limits, share.grant, []), 0)
            outcomes = list(outcomes)
            for place in self.places[share.granted :]:
                outcomes[place] = refused
        return f'{{"outcomes":[{",".join(outcomes)}]}}'


def read(tenant_id: UUID, limits: Limits, items: Sequence[Any], traceparent: str | None) -> Batch:
    """Return the batch; what no submit would take is refused in its place."""
    tasks, places, outcomes = [], [], []
    for place, request in enumerate(_requests(items)):
        try:
            if isinstance(request, Problem):
                raise request
            task = drafts.task(tenant_id, limits, request, traceparent)
        except InvalidRequest as error:
            outcomes.append(_refused(error, place))
        else:
            tasks.append(task)
            places.append(place)
            outcomes.append(f'{{"task_id":"{task.id}","status":"PENDING"}}')
    return Batch(limits, tasks, places, outcomes)


def _requests(items: Sequence[Any]) -> Sequence[SubmitRequest | InvalidRequest]:
    if not any(map(_has_too_many_members, items)):
        try:
            # All at once costs least; a fault is rare.
            return _ITEMS.validate_python(items)
        except ValidationError:
            pass
    return [_request(item) for item in items]


def _has_too_many_members(item: Any) -> bool:
    return type(item) is dict and len(item) > _MAX_MEMBERS


def _request(item: Any) -> SubmitRequest | InvalidRequest:
    if _has_too_many_members(item):
        return problem.too_many_faults()
    try:
        # As a submit is asked for, so that a fault is told in the same words.
        return SubmitRequest.model_validate(item, from_attributes=True)
    except ValidationError as error:
        if error.error_count() > problem.MAX_FAULTS:
            return problem.too_many_faults()
        faults = error.errors(include_url=False)
        return problem.invalid([{**fault, "loc": ("body", *fault["loc"])} for fault in faults])


def _refused(error: Problem, place: int) -> str:
    """Return the outcome for a refused task, whose faults are pointed at in the whole body."""
    told: dict[str, Any] = {
        "code": error.code, "status": error.status, "title": error.title, "detail": error.detail,
    }  # fmt: skip
    if faults := error.extensions.get("errors"):
        told["errors"] = [
            fault | {"pointer": f"#/tasks/{place}{fault['pointer'].removeprefix('#')}"}
            for fault in faults[:_MAX_ERRORS]
        ]
    if wait := error.extensions.get("retry_after"):
        told["retry_after"] = wait
    return _compact({"error": told})
