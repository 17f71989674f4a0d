"""Build the HTTP answers of the task calls, with their RateLimit fields (IETF draft 11)."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from starlette.responses import Response

from app.core.errors import BacklogFull, DailyQuotaExceeded, InvalidRequest, MonthlyQuotaExceeded, Problem
from app.http.json_response import JsonResponse, NoResponse
from app.quotas import limits as policies
from app.quotas.limits import Remaining
from app.quotas.schemas import Grant, Quota
from app.tasks.list_schemas import TaskPage
from app.tasks.read.reading import Detail
from app.tasks.read.texts import Text
from app.tasks.schemas import CancelResponse
from app.tasks.status import Status
from app.tasks.submit.decision import Accepted, Refused
from app.tasks.submit.new_tasks import InvalidTask
from app.tenants.plans import UNLIMITED, Limits

_compact: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode

_QUOTA_PROBLEMS: Final[Mapping[Quota, tuple[type[Problem], str]]] = {
    "day": (
        DailyQuotaExceeded,
        "The tenant has used up its tasks of today. Wait for the next day (UTC), or ask for a larger plan.",
    ),
    "month": (
        MonthlyQuotaExceeded,
        "The tenant has used up its tasks of this month. Wait for the next month (UTC), or ask for a larger plan.",
    ),
    "backlog": (
        BacklogFull,
        "The tenant's backlog is full. Wait until some tasks have run, cancel some, or ask for a larger plan.",
    ),
}


def require_accepted(decided: Accepted | Refused, limits: Limits, rate: Sequence[Remaining]) -> Accepted:
    """Return the decision if at least one task was accepted. Otherwise raise the 429 of the limit.

    ``rate`` is what remains of the rate limit, for the RateLimit fields.
    """
    if isinstance(decided, Accepted):
        return decided
    kind, detail = _QUOTA_PROBLEMS[decided.policy]
    if decided.grant is None:
        # A remembered refusal: the ledger was not asked, so only the limit that was reached is known.
        remaining = [Remaining(decided.policy, 0, None if decided.policy == "backlog" else decided.retry_after)]
    else:
        remaining = [*rate, *_ledger_remaining(limits, decided.grant)]
    fields = policies.fields(policies.submit_policies(limits), remaining)
    raise kind(
        detail,
        headers={"Retry-After": str(decided.retry_after), **fields},
        **{
            "violated-policies": [decided.policy],
            "limit": policies.quotas(limits)[decided.policy],
            "retry_after": decided.retry_after,
        },
    )


def accepted(accepted: Accepted, limits: Limits, rate: Sequence[Remaining], retry_of: UUID | None = None) -> Response:
    """Return 202 for a new task, 200 for one that an earlier request with the same Idempotency-Key made."""
    task_id = str(accepted.task_ids[0])
    # Written as text, because a pydantic model would double the cost of the answer. No value needs escaping.
    more = "" if retry_of is None else f',"retry_of":"{retry_of}"'
    body = f'{{"task_id":"{task_id}","status":"{accepted.status}"{more}}}'
    headers = {"Location": f"/api/tasks/{task_id}", **_headers(accepted, limits, rate)}
    return JsonResponse(body, _status(accepted), headers)


def batch(accepted: Accepted, limits: Limits, rate: Sequence[Remaining]) -> Response:
    """Return 202 with the outcome of each task, 200 if an earlier request with the same Idempotency-Key made them."""
    body = f'{{"outcomes":[{",".join(_outcomes(accepted))}]}}'
    return JsonResponse(body, _status(accepted), _headers(accepted, limits, rate))


def _outcomes(accepted: Accepted) -> Iterator[str]:
    """Yield the outcome of each task of a batch as JSON, in the order of the request."""
    stored = [f'{{"task_id":"{task_id}","status":"PENDING"}}' for task_id in accepted.task_ids]
    valid = stored if accepted.refused is None else [*stored, *_refused_outcomes(accepted.refused)]
    # The valid tasks fill the places that the invalid ones leave. The ledger grants the first ones, so the refused ones
    # are the last of them.
    following = iter(valid)
    for place in range(len(valid) + len(accepted.invalid)):
        task = accepted.invalid.get(place)
        yield next(following) if task is None else _invalid_outcome(task, place)


def _refused_outcomes(refused: Refused) -> list[str]:
    kind, detail = _QUOTA_PROBLEMS[refused.policy]
    return [_compact({"error": _error(kind, detail) | {"retry_after": refused.retry_after}})] * refused.tasks


def _invalid_outcome(task: InvalidTask, place: int) -> str:
    """Return the outcome of an invalid task, with pointers that start at the root of the body."""
    error = _error(InvalidRequest, task.detail)
    if task.errors:
        error["errors"] = [
            {**fault, "pointer": f"#/tasks/{place}{fault['pointer'].removeprefix('#')}"} for fault in task.errors
        ]
    return _compact({"error": error})


def _error(kind: type[Problem], detail: str) -> dict[str, Any]:
    return {"code": kind.code, "status": kind.status, "title": kind.title, "detail": detail}


def _status(accepted: Accepted) -> int:
    return 200 if accepted.is_replay else 202


def _headers(accepted: Accepted, limits: Limits, rate: Sequence[Remaining]) -> Mapping[str, str]:
    if accepted.grant is not None:
        remaining = [*rate, *_ledger_remaining(limits, accepted.grant)]
        return policies.fields(policies.submit_policies(limits), remaining)
    # A replay and a batch without a valid task use no quota, so they report only the rate, like all other calls.
    fields = policies.fields(policies.call_policies(limits), rate)
    return {**fields, "Idempotency-Replayed": "true"} if accepted.is_replay else fields


def _ledger_remaining(limits: Limits, grant: Grant) -> list[Remaining]:
    remaining = []
    if limits.tasks_per_day != UNLIMITED:
        # Never below 0: an operator may have lowered a limit below what is used.
        remaining.append(Remaining("day", max(0, limits.tasks_per_day - grant.day_used), grant.day_ends_in))
    if limits.tasks_per_month != UNLIMITED:
        remaining.append(Remaining("month", max(0, limits.tasks_per_month - grant.month_used), grant.month_ends_in))
    if limits.backlog != UNLIMITED:
        remaining.append(Remaining("backlog", max(0, limits.backlog - grant.waiting), None))
    return remaining


def cancelled(found: CancelResponse) -> Response:
    """Return 200 for a task that has ended, 202 for one that still runs."""
    return JsonResponse(found.model_dump_json(), 202 if found.status is Status.STARTED else 200)


def page(found: TaskPage, link: str | None) -> Response:
    """Return 200 and a page of tasks, with a link to the next one."""
    return JsonResponse(found.model_dump_json(), headers={"Link": link} if link else {})


def read(text: bytes) -> Response:
    """Return 200 with the status or the outcome of a task, which is JSON text already."""
    return JsonResponse(text)


def detail(found: Detail) -> Response:
    """Return 200 and everything about a task; its result only if it was read."""
    # The stored payload and result are JSON already and may be long, so they are not parsed again.
    result = "" if found.result is None else f'"result":{found.result},'
    return JsonResponse(f'{{"payload":{found.payload},{result}{found.task.model_dump_json()[1:]}')


def result(found: Text | None) -> Response:
    """Return 200 with the task's outcome, or 202 if it has not ended; send nothing if the client has disconnected."""
    if found is None:
        return NoResponse()
    return read(found.body) if found.has_ended else JsonResponse(found.body, 202, {"Retry-After": "1"})
