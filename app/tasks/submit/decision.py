"""The decision about a submit as plain data, and as the text that is stored with an idempotency key."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from app.quotas.schemas import Grant, Quota
from app.tasks.status import Status
from app.tasks.submit.new_tasks import InvalidTask, TaskSpecs

# Nobody can compute when a backlog has room again, so this is a guess.
BACKLOG_RETRY_SECONDS: Final = 2
_compact: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class Granted(NamedTuple):
    """The number of a submission's tasks that are stored (the first ones), and the tenant's ledger after that."""

    stored: int
    grant: Grant


class Refused(NamedTuple):
    """Tasks that are not stored, because a limit of the tenant was reached."""

    policy: Quota
    """The limit that was reached."""
    retry_after: int
    """Seconds after which another submit may succeed."""
    tasks: int
    """The number of refused tasks."""
    grant: Grant | None
    """The state of the ledger; None if it was not asked, because it had refused other tasks a moment before."""


class Accepted(NamedTuple):
    """The stored tasks, and the tasks of the same request that are not stored."""

    task_ids: Sequence[UUID]
    invalid: Mapping[int, InvalidTask]
    """The invalid tasks, by their place in the request. The stored tasks and then the refused ones have the others."""
    refused: Refused | None
    """The last tasks, if a limit was reached."""
    grant: Grant | None
    """The state of the ledger now; None for a replay, and if no task could be stored."""
    status: Status = Status.PENDING
    """The status of the first task."""
    is_replay: bool = False
    """True if an earlier submit with the same idempotency key stored the tasks."""


def refused(grant: Grant, tasks: int) -> Refused:
    """Return the refusal of the last ``tasks`` tasks (a number)."""
    policy = grant.refused_by
    assert policy is not None  # noqa: S101 it has granted fewer than were asked
    waits: dict[Quota, int] = {
        "day": grant.day_ends_in, "month": grant.month_ends_in, "backlog": BACKLOG_RETRY_SECONDS,
    }  # fmt: skip
    return Refused(policy, waits[policy], tasks, grant)


def decide(specs: TaskSpecs, granted: Granted) -> Accepted | Refused:
    """Return the decision about the tasks; ``granted`` says how many of them are stored."""
    missing = len(specs.tasks) - granted.stored
    rest = refused(granted.grant, missing) if missing else None
    if rest is not None and not granted.stored:
        return rest
    task_ids = [task.id for task in specs.tasks[: granted.stored]]
    return Accepted(task_ids, specs.invalid, rest, granted.grant)


def to_text(specs: TaskSpecs, granted: Granted) -> str | None:
    """Return the decision as JSON, to be stored with the key for a replay.

    None for a single task, because its id in the row of the key is enough.
    """
    decided = decide(specs, granted)
    # A refused submit releases its key, so there is nothing to replay.
    if specs.asked == 1 or isinstance(decided, Refused):
        return None
    # The ledger (the last field of ``Refused``) is left out: a replay reports no quotas.
    return _compact(
        {
            "task_ids": list(map(str, decided.task_ids)),
            "invalid": {str(place): list(task) for place, task in decided.invalid.items()},
            "refused": decided.refused and list(decided.refused[:3]),
        }
    )


def from_text(text: str) -> Accepted:
    """Return the decision from the JSON that ``to_text`` has written, marked as a replay."""
    kept = json.loads(text)
    return Accepted(
        task_ids=list(map(UUID, kept["task_ids"])),
        invalid={int(place): InvalidTask(*task) for place, task in kept["invalid"].items()},
        refused=_refused_from(kept["refused"]),
        grant=None,
        is_replay=True,
    )


def _refused_from(kept: Sequence[Any] | None) -> Refused | None:
    if kept is None:
        return None
    policy, retry_after, tasks = kept
    return Refused(policy, retry_after, tasks, grant=None)
