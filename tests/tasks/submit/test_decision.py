"""What became of a submit, as data."""

from uuid import uuid4

import pytest

from app.quotas.schemas import Grant, Quota
from app.tasks.submit import decision
from app.tasks.submit.decision import Accepted, Granted, Refused
from app.tasks.submit.new_tasks import InvalidTask, TaskSpecs
from app.tenants import plans
from tests.races.conftest import new_task

_INVALID = {
    1: InvalidTask("See errors.", ({"pointer": "#/payload", "detail": "missing"},)),
    3: InvalidTask("Too many."),
}


def _specs(tasks: int, invalid: dict[int, InvalidTask]) -> TaskSpecs:
    tenant_id = uuid4()
    return TaskSpecs(tenant_id, plans.PLANS["free"], [new_task(tenant_id) for _ in range(tasks)], invalid)


def _grant(stored: int, refused_by: Quota | None = None) -> Granted:
    return Granted(stored, Grant(stored, refused_by, 5, 6, 7, 80, 90))


@pytest.mark.parametrize(("policy", "seconds"), [("day", 80), ("month", 90), ("backlog", 2)])
def test_a_refusal_names_its_limit_and_when_to_come_again(policy: Quota, seconds: int):
    granted = _grant(0, policy)
    assert decision.decide(_specs(3, {}), granted) == Refused(policy, seconds, 3, granted.grant)


@pytest.mark.parametrize(("stored", "refused_by"), [(4, None), (1, "backlog")])
def test_what_is_kept_with_a_key_is_read_back_as_it_was(stored: int, refused_by: Quota | None):
    specs, granted = _specs(4, _INVALID), _grant(stored, refused_by)
    first = decision.decide(specs, granted)
    assert isinstance(first, Accepted)
    assert len(first.task_ids) == stored
    text = decision.to_text(specs, granted)
    assert text is not None
    replay = decision.from_text(text)
    assert replay.is_replay
    assert replay.grant is None
    assert list(replay.task_ids) == list(first.task_ids)
    assert {place: (task.detail, list(task.errors)) for place, task in replay.invalid.items()} == {
        place: (task.detail, list(task.errors)) for place, task in _INVALID.items()
    }
    assert (replay.refused and replay.refused[:3]) == (first.refused and first.refused[:3])


def test_nothing_is_kept_of_one_task_which_its_key_names_nor_of_a_refusal():
    assert decision.to_text(_specs(1, {}), _grant(1)) is None
    assert decision.to_text(_specs(3, _INVALID), _grant(0, "day")) is None
