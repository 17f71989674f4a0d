"""Count what happens in this process: the listeners of ``core.facts``."""

from collections.abc import Collection
from typing import Final

from app.core import facts
from app.core.facts import Facts
from app.metrics.tally import Tally

_NONE: Final = "none"
"""The label of a request without a route, and of an attempt whose task type the process does not know."""
_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_MILLISECOND: Final = 0.001


def count_into(tally: Tally, tenants: Collection[str]) -> None:
    """Count everything that happens from now on into ``tally``; ``tenants`` are the ids that get a label."""
    counting = _Counting(tally, frozenset(tenants))
    facts.listen("request", counting.request)
    facts.listen("submit", counting.submit)
    facts.listen("attempt", counting.attempt)
    facts.listen("delivery", counting.delivery)


class _Counting:
    """Turns facts into counts. The values of labels come from us, but for the names of task types."""

    def __init__(self, tally: Tally, tenants: frozenset[str]) -> None:
        self._tally, self._tenants = tally, tenants

    def request(self, line: Facts, _: Facts) -> None:
        # A method may be any text of the caller's.
        method = line["method"] if line["method"] in _METHODS else _NONE
        route = line["route"] or _NONE
        self._tally.count("taskqueue_requests", (method, route, str(line["status"]), self._tenant(line)))
        self._tally.observe("taskqueue_request_seconds", (method, route), line["duration_ms"] * _MILLISECOND)

    def submit(self, outcome: Facts, _: Facts) -> None:
        self._tally.count("taskqueue_submitted_tasks", (outcome["outcome"], self._tenant(outcome)), outcome["tasks"])

    def attempt(self, line: Facts, more: Facts) -> None:
        task, plan = line.get("task") or _NONE, more.get("plan") or _NONE
        # An attempt that the dispatcher ends is lost, whatever its task's status is then.
        outcome = "LOST" if line.get("reason") else line["outcome"]
        self._tally.count("taskqueue_attempts", (task, plan, outcome, self._tenant(line)))
        if (duration := line.get("duration_ms")) is not None:
            self._tally.observe("taskqueue_attempt_seconds", (task, plan), duration * _MILLISECOND)

    def delivery(self, line: Facts, _: Facts) -> None:
        self._tally.count("taskqueue_delivery_attempts", (line["outcome"], self._tenant(line)))
        self._tally.observe("taskqueue_delivery_seconds", (), line["duration_ms"] * _MILLISECOND)

    def _tenant(self, line: Facts) -> str:
        # An empty label is no label for Prometheus.
        return tenant if self._tenants and (tenant := line.get("tenant_id")) in self._tenants else ""
