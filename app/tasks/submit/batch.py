"""Validate the tasks of a batch, each by itself, so that an invalid task does not affect the others."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from app.core.errors import InvalidRequest, Problem
from app.http import problem
from app.tasks.definition.own_types import OwnType
from app.tasks.schemas import SubmitRequest
from app.tasks.submit import validation
from app.tasks.submit.new_tasks import InvalidTask, NewTask, TaskSpecs
from app.tenants.plans import Limits

# For each task: a batch may have a thousand invalid tasks.
_MAX_ERRORS: Final = 5
# An object with more members has more unknown ones than an answer describes, so it is refused before validation.
_MAX_MEMBERS: Final = len(SubmitRequest.model_fields) + problem.MAX_FAULTS
_ITEMS: Final = TypeAdapter(list[SubmitRequest])

_AFTER: Final = InvalidRequest(
    "The request is not valid. Correct each place that errors names.",
    errors=[{"pointer": "#/after", "detail": "A task of a batch waits for no other. Submit it by itself."}],
)


def read(
    tenant_id: UUID, limits: Limits, items: Sequence[Any], traceparent: str | None, own: Mapping[str, OwnType] | None
) -> TaskSpecs:
    """Return the tasks of a batch. A task that a submit would refuse as invalid is in ``invalid``, by its place.

    ``items`` are parsed JSON values, ``own`` the tenant's own task types. Raises ``OwnTypesNeeded``.
    """
    tasks: list[NewTask] = []
    invalid: dict[int, InvalidTask] = {}
    for place, request in enumerate(_requests(items)):
        try:
            if isinstance(request, Problem):
                raise request
            if request.after:
                raise _AFTER
            tasks.append(validation.new_task(tenant_id, limits, request, traceparent, own))
        except InvalidRequest as error:
            invalid[place] = InvalidTask(error.detail, error.extensions.get("errors", ())[:_MAX_ERRORS])
    return TaskSpecs(tenant_id, limits, tasks, invalid)


def _requests(items: Sequence[Any]) -> Sequence[SubmitRequest | InvalidRequest]:
    if not any(map(_has_too_many_members, items)):
        try:
            # One call for all items is the fastest way, and most batches have no invalid item. Its errors are not used.
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
        # The same option as for a submit, so that errors are described in the same words.
        return SubmitRequest.model_validate(item, from_attributes=True)
    except ValidationError as error:
        if error.error_count() > problem.MAX_FAULTS:
            return problem.too_many_faults()
        faults = error.errors(include_url=False)
        found = [{**fault, "loc": ("body", *fault["loc"])} for fault in faults]
        return problem.invalid(problem.hinted(found, SubmitRequest.model_fields))
