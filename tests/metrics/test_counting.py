"""What happens becomes counts whose labels nobody else chooses."""

import uuid
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from app.core import facts
from app.metrics import counting
from app.metrics.tally import Tally
from app.tasks.submit import accept
from app.tasks.submit.decision import Accepted, Refused

REQUEST = {"method": "GET", "route": "/api/tasks/{task_id}/status", "status": 200, "duration_ms": 3.0}
ATTEMPT = {"tenant_id": "a", "task": "echo", "outcome": "SUCCESS", "duration_ms": 12.0, "reason": None}


@pytest.fixture
def tally() -> Iterator[Tally]:
    made = Tally()
    counting.count_into(made, ["known"])
    yield made
    facts._listeners.clear()


def labels_of(tally: Tally, metric: str) -> list[tuple[str, ...]]:
    return [labels for name, labels, _ in tally.counters() if name == metric]


def test_without_a_listener_nothing_happens() -> None:
    facts.tell("request", REQUEST)


def test_a_request_is_counted_by_its_route_template_and_status(tally: Tally) -> None:
    facts.tell("request", REQUEST)
    assert labels_of(tally, "taskqueue_requests") == [("GET", REQUEST["route"], "200", "")]
    ((name, _, counts, total),) = tally.histograms()
    assert (name, sum(counts), total) == ("taskqueue_request_seconds", 1, 0.003)


def test_a_path_and_a_method_of_the_callers_own_are_no_labels(tally: Tally) -> None:
    facts.tell("request", REQUEST | {"method": "EVIL", "route": None, "status": 404})
    assert labels_of(tally, "taskqueue_requests") == [("none", "none", "404", "")]


def test_only_named_tenants_get_a_label(tally: Tally) -> None:
    facts.tell("request", REQUEST | {"tenant_id": "unknown"})
    facts.tell("request", REQUEST | {"tenant_id": "known"})
    assert [labels[-1] for labels in labels_of(tally, "taskqueue_requests")] == ["", "known"]


def test_an_attempt_is_counted_by_task_type_plan_and_outcome(tally: Tally) -> None:
    facts.tell("attempt", ATTEMPT, plan="pro")
    assert labels_of(tally, "taskqueue_attempts") == [("echo", "pro", "SUCCESS", "")]


def test_an_attempt_that_the_dispatcher_took_away_is_lost_whatever_its_task_is_then(tally: Tally) -> None:
    facts.tell("attempt", ATTEMPT | {"outcome": "PENDING", "reason": "worker dead", "duration_ms": None, "task": None})
    assert labels_of(tally, "taskqueue_attempts") == [("none", "none", "LOST", "")]
    assert list(tally.histograms()) == []


def test_a_delivery_is_counted_by_its_outcome(tally: Tally) -> None:
    facts.tell("delivery", {"tenant_id": "a", "outcome": "FAILED", "duration_ms": 5})
    assert labels_of(tally, "taskqueue_delivery_attempts") == [("FAILED", "")]


def outcomes_of(tally: Tally) -> dict[str, float]:
    return {labels[0]: value for name, labels, value in tally.counters() if name == "taskqueue_submitted_tasks"}


def test_each_task_of_a_submit_is_counted_once_by_what_became_of_it(tally: Tally) -> None:
    specs: Any = SimpleNamespace(tenant_id="a")
    refused = Refused("day", 60, 3, None)
    accept._tell(specs, Accepted([uuid.uuid4(), uuid.uuid4()], {}, refused, None))
    accept._tell(specs, Refused("backlog", 2, 4, None))
    accept._tell(specs, Accepted([uuid.uuid4()], {}, None, None, is_replay=True))
    assert outcomes_of(tally) == {"accepted": 2, "day": 3, "backlog": 4, "replayed": 1}
