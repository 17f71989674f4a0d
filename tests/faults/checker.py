"""What must hold when a run is at rest (C1 to C7, C9, C11), judged from facts alone; it repairs and forgives nothing."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from tests.faults.facts import Facts, started
from tests.faults.kinds import KINDS

FINAL: Final = frozenset({"SUCCESS", "FAILURE", "REVOKED"})
_MOST_LOST: Final = 5
# A claim is committed without waiting for the disk: this long before a crash it may be undone, and is given again.
_UNFLUSHED: Final = 2.0
_CLOCK: Final = 0.05


@dataclass
class Verdict:
    """Counts, and every single thing that is wrong."""

    operations: int = 0
    accepted: int = 0
    refused: int = 0
    undecided: int = 0
    """Their clients gave up; at most one task each."""
    answers: int = 0
    refusals_503: int = 0
    unanswered: int = 0
    lost: int = 0
    duplicated: int = 0
    recovered: int = 0
    """Tasks that lost an attempt and have ended all the same."""
    fenced: int = 0
    """Attempts whose code came to its end after they had been taken away: nothing of it was written."""
    undone_claims: int = 0
    """Claims that a crash of Postgres took back after the code had begun; they were given again."""
    webhooks: int = 0
    webhooks_lost: int = 0
    calls: int = 0
    """Requests of http_request tasks that came."""
    events_told: int = 0
    """Events that followers of the feed were told."""
    quota_drift: int = 0
    slots_left: int = 0
    slowest_answer: float = 0.0
    violations: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, float]:
        """Return the counts."""
        return {name: value for name, value in asdict(self).items() if name != "violations"} | {
            "violations": len(self.violations)
        }


def check(facts: Facts) -> Verdict:
    """Judge."""
    verdict = Verdict()
    for rule in (_answers, _tasks, _keys, _ends, _attempts, _effects, _usage, _webhooks, _calls, _feeds):
        verdict.violations += rule(facts, verdict)
    verdict.violations += facts.samples
    verdict.violations += [f"C5 Redis holds {key}" for key in facts.redis_keys]
    verdict.violations += [f"nobody hurt it: {collapse}" for collapse in facts.collapses]
    verdict.violations += [f"C11 a secret is in {log}" for log in facts.leaks]
    return verdict


Rule = Callable[[Facts, Verdict], Iterator[str]]


def _answers(facts: Facts, verdict: Verdict) -> Iterator[str]:
    operations = facts.operations
    verdict.operations = len(operations)
    verdict.accepted = sum(one.is_accepted for one in operations)
    verdict.refused = sum(one.is_refused for one in operations)
    verdict.undecided = verdict.operations - verdict.accepted - verdict.refused
    answers = [answer for one in operations for answer in one.answers]
    verdict.answers = len(answers)
    verdict.refusals_503 = sum(answer.status == 503 for answer in answers)
    verdict.unanswered = sum(answer.status == 0 for answer in answers)
    verdict.slowest_answer = round(max((a.seconds for a in answers if a.call != "result"), default=0.0), 2)
    for answer in answers:
        if answer.is_improper:
            yield f"an improper {answer.status} to {answer.call} of {answer.api}: {answer.detail}"


def _tasks(facts: Facts, verdict: Verdict) -> Iterator[str]:
    """C1: what was accepted is there, has ended, and as it should."""
    tasks = {task["id"]: task for task in facts.tasks}
    for operation in facts.operations:
        if not operation.is_accepted:
            continue
        task = tasks.get(operation.task_ids[0])
        if task is None or task["status"] not in FINAL:
            verdict.lost += 1
            yield f"C1 lost: {operation.kind} {operation.key} {operation.task_ids[0]} is {task and task['status']}"
            continue
        kind = KINDS[operation.kind]
        if task["status"] not in kind.ends:
            yield f"C1 {operation.kind} {task['id']} ended {task['status']} ({task['error_type']})"
        elif task["status"] == "SUCCESS" and kind.result and json.loads(task["result"]) != kind.result(operation.body):
            yield f"C1 {operation.kind} {task['id']} has the result {task['result']}"
        for seen in operation.seen_ends:
            if seen["status"] != task["status"]:
                yield f"C1 {task['id']} was seen {seen['status']} and is {task['status']}"


def _keys(facts: Facts, verdict: Verdict) -> Iterator[str]:
    """C2: one key, one task."""
    stored = Counter(tag for task in facts.tasks for tag in task["tags"])
    known = {operation.key: operation for operation in facts.operations}
    for key, count in stored.items():
        if count > 1:
            verdict.duplicated += 1
            yield f"C2 {count} tasks under the key {key}"
        if key not in known:
            yield f"C2 a task under the key {key}, which nobody sent"
        elif known[key].is_refused:
            yield f"C2 a task under the key {key}, which was refused"
    for operation in facts.operations:
        if len(operation.task_ids) > 1:
            verdict.duplicated += 1
            yield f"C2 {operation.key} was answered with {operation.task_ids}"


def _ends(facts: Facts, verdict: Verdict) -> Iterator[str]:
    """I2: exactly one terminal status, for ever."""
    ends = defaultdict(list)
    for end in facts.ended:
        ends[end["task_id"]].append(end["status"])
    for task in facts.tasks:
        expected = [task["status"]] if task["status"] in FINAL else []
        if ends[task["id"]] != expected:
            verdict.duplicated += len(ends[task["id"]]) > 1
            yield f"I2 {task['id']} is {task['status']} and ended {ends[task['id']]}"


def _attempts(facts: Facts, verdict: Verdict) -> Iterator[str]:
    """C4: attempts are numbered without a gap, bounded, and the last one's token is the task's."""
    by_task = defaultdict(list)
    for attempt in facts.attempts:
        by_task[attempt["task_id"]].append(attempt)
    for task in facts.tasks:
        attempts = by_task[task["id"]]
        statuses = [attempt["status"] for attempt in attempts]
        verdict.recovered += task["status"] in FINAL and _was_taken_away(attempts)
        if [attempt["attempt"] for attempt in attempts] != list(range(1, task["attempt"] + 1)):
            yield f"I3 {task['id']} is at attempt {task['attempt']} with {len(attempts)} rows"
        if "SUCCESS" in statuses[:-1] or (task["status"] == "SUCCESS") != (statuses[-1:] == ["SUCCESS"]):
            verdict.duplicated += statuses.count("SUCCESS") > 1
            yield f"I2 {task['id']} is {task['status']} with the attempts {statuses}"
        if task["status"] in FINAL and "STARTED" in statuses:
            yield f"I3 {task['id']} is {task['status']} and an attempt still runs"
        if statuses.count("LOST") > _MOST_LOST or statuses.count("FAILURE") > task["max_attempts"]:
            yield f"I3 {task['id']} has the attempts {statuses} of {task['max_attempts']}"
        if attempts and attempts[-1]["token"] != task["claim_token"]:
            yield f"C4 {task['id']} was ended by a token that is not its last attempt's"


def _was_taken_away(attempts: list[dict[str, Any]]) -> bool:
    return any(one["status"] in {"LOST", "RETURNED"} or one["error_type"] == "TaskCrashed" for one in attempts)


def _effects(facts: Facts, verdict: Verdict) -> Iterator[str]:
    """C3: what code did, it did once for each attempt, whose row was there before."""
    rows = {attempt["token"]: attempt for attempt in facts.attempts}
    for (token, what), count in Counter((one["token"], one["what"]) for one in facts.effects).items():
        if count > 1:
            yield f"C3 {count} times {what} under the token {token}"
    for effect in facts.effects:
        row = rows.get(effect["token"])
        if row is None:
            verdict.undone_claims += effect["what"] == "begin"
            is_undone = any(-_CLOCK < crash - effect["at"] < _UNFLUSHED for crash in facts.postgres_crashes)
            if effect["what"] == "begin" and not is_undone:
                yield f"C3 {effect['task']} ran under a token without an attempt"
        elif (row["task_id"], row["attempt"]) != (effect["task"], effect["attempt"]):
            yield f"C3 {effect['task']} ran under the token of {row['task_id']}"
        elif started(row["started_at"]) > effect["at"] + _CLOCK:
            yield f"C3 {effect['task']} ran before its attempt"
        elif effect["what"] == "end" and row["status"] == "LOST":
            verdict.fenced += 1


def _usage(facts: Facts, verdict: Verdict) -> Iterator[str]:
    """C5: what was counted is what is there; no slot is left."""
    for row in facts.usage:
        if row["used"] != row["stored"]:
            verdict.quota_drift += abs(row["used"] - row["stored"])
            yield f"C5 {row['tenant']}: {row['used']} counted in the {row['period']}, {row['stored']} stored"
        if row["period"] == "day" and row["used"] > facts.quotas.get(row["tenant"], row["used"]):
            yield f"C5 {row['tenant']}: {row['used']} of {facts.quotas[row['tenant']]}"
    for tenant, running in facts.slots.items():
        if running:
            verdict.slots_left += running
            yield f"C5 {tenant}: {running} slots are left"


def _webhooks(facts: Facts, verdict: Verdict) -> Iterator[str]:
    """C7, C9: one event for each end, signed, to its own tenant, sent under one id until it was heard."""
    tasks = {task["id"]: task for task in facts.tasks}
    deliveries = {row["id"]: row for row in facts.deliveries}
    count = Counter(row["task_id"] for row in facts.deliveries)
    heard = {one.delivery for one in facts.received if 200 <= one.answer < 300}
    verdict.webhooks = len(facts.deliveries)
    for task in facts.tasks:
        wanted = int(task["status"] in FINAL and task["webhook_url"] is not None)
        if count[task["id"]] != wanted:
            verdict.webhooks_lost += max(0, wanted - count[task["id"]])
            yield f"C7 {task['id']} ({task['status']}) has {count[task['id']]} deliveries"
    for row in facts.deliveries:
        if row["url"].endswith(("/ok", "/moody")) and (row["status"] != "DELIVERED" or row["id"] not in heard):
            verdict.webhooks_lost += 1
            yield f"C7 the delivery {row['id']} is {row['status']} after {row['attempt']} tries; heard: {row['id'] in heard}"
    for one in facts.received:
        row, task = deliveries.get(one.delivery), tasks.get(one.task_id)
        if not one.is_signed:
            yield f"C7 a signature of {one.delivery} does not hold"
        if row is None or task is None or row["task_id"] != one.task_id or task["status"] != one.status:
            yield f"C7 {one.delivery} tells of {one.task_id} {one.status}, which is {task and task['status']}"
        elif f"/{task['tenant']}/" not in one.path:
            yield f"C9 {one.delivery} of {task['tenant']} came to {one.path}"


def _calls(facts: Facts, verdict: Verdict) -> Iterator[str]:
    """C7 of http_request: what has succeeded was sent, signed, for a task that there is."""
    verdict.calls = len(facts.calls)
    of_tasks = {task["id"]: task for task in facts.tasks if task["task"] == "http_request"}
    for call in facts.calls:
        if call.key not in of_tasks or of_tasks[call.key]["tenant"] != call.tenant:
            yield f"C7 a request for {call.key} of {call.tenant}, which is no such task of this tenant"
        if not call.is_signed:
            yield f"C7 a request for {call.key} is not signed"
    sent = {call.key for call in facts.calls}
    for task_id, task in of_tasks.items():
        if task["status"] == "SUCCESS" and task_id not in sent:
            yield f"C7 {task_id} has succeeded, and its request did not come"


def _feeds(facts: Facts, verdict: Verdict) -> Iterator[str]:
    """C7 of the feed: what its followers were told is the log, in order, without a gap and without a double."""
    for tenant, told in facts.followed.items():
        verdict.events_told += len(told)
        log = [(row["task_id"], row["type"], row["id"]) for row in facts.events if row["tenant"] == tenant]
        if told != log:
            place = next(
                (n for n, pair in enumerate(zip(told, log, strict=False)) if pair[0] != pair[1]),
                min(len(told), len(log)),
            )
            yield (
                f"C7 the feed of {tenant} told {len(told)} events of {len(log)}, first differing at {place}: "
                f"{told[place : place + 2]} and not {log[place : place + 2]}"
            )
