"""The decision about a submit as plain data, and its text form that is stored with an idempotency key."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from app.quotas.schemas import Grant, Quota
from app.tasks.status import Status
from app.tasks.submit.new_tasks import InvalidTask, TaskSpecs

# It cannot be computed when a backlog has room again, so this is a guess.
BACKLOG_RETRY_SECONDS: Final = 2
_compact: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class Granted(NamedTuple):
    """The number of a submission's tasks that are stored (its first ones), and the tenant's ledger after it."""

    stored: int
    grant: Grant


class Refused(NamedTuple):
    """Tasks that the ledger does not admit."""

    policy: Quota
    """The limit that is reached."""
    retry_after: int
    """Seconds after which another submit may succeed."""
    tasks: int
    """The number of refused tasks."""
    grant: Grant | None
    """The state of the ledger; None if it was not asked, because it had just refused others."""


class Accepted(NamedTuple):
    """Tasks that are stored, and those asked for with them that are not."""

    task_ids: Sequence[UUID]
    invalid: Mapping[int, InvalidTask]
    """By their place among all that was asked for; the stored tasks and the refused ones fill the other places."""
    refused: Refused | None
    """The last ones, where a limit was reached."""
    grant: Grant | None
    """The state of the ledger now; None for a replay, and if no task could be stored."""
    status: Status = Status.PENDING
    """The status of the first task."""
    is_replay: bool = False
    """True if an earlier submit with the same idempotency key stored the tasks."""


def refused(grant: Grant, tasks: int) -> Refused:
    """Return the refusal of the last ``tasks`` by the ledger."""
    policy = grant.refused_by
    assert policy is not None  # noqa: S101 it has granted less than it was asked
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
    """Return the text to store with the key for a replay; None for a single task, whose id the key's row has."""
    decided = decide(specs, granted)
    if specs.asked == 1 or isinstance(decided, Refused):
        return None
    return _compact(
        {
            "task_ids": list(map(str, decided.task_ids)),
            "invalid": {str(place): list(task) for place, task in decided.invalid.items()},
            "refused": decided.refused and list(decided.refused[:3]),
        }
    )


def from_text(text: str) -> Accepted:
    """Return the decision that ``to_text`` has written, as a replay."""
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
