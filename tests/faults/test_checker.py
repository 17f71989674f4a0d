"""The checker finds what it is to find: of a sound run nothing, and each planted fault by its rule."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.faults import checker
from tests.faults.facts import Facts
from tests.faults.history import Answer, Operation
from tests.faults.receiver import Called, Received

_AT = 1_800_000_000.0


def _sound() -> Facts:
    """One task that was submitted twice, lost an attempt, succeeded and was told of."""
    operation = Operation("key", "wide", "effect", {"payload": {"value": 7}})
    operation.answers = [_answer(0), _answer(202)]
    operation.accept("t", _AT)
    moment = datetime.fromtimestamp(_AT, UTC)
    attempts = [
        {"task_id": "t", "attempt": n, "status": status, "token": token, "started_at": moment, "finished_at": moment,
         "error_type": None}
        for n, status, token in ((1, "LOST", "a"), (2, "SUCCESS", "b"))
    ]  # fmt: skip
    task = {
        "id": "t", "tenant": "wide", "task": "faults.effect", "tags": ["key"], "status": "SUCCESS", "attempt": 2,
        "failed_attempts": 0, "max_attempts": 3, "claim_token": "b", "webhook_url": "http://h/wide/ok", "result": "7",
        "error_type": None,
    }  # fmt: skip
    return Facts(
        operations=[operation],
        tasks=[task],
        attempts=attempts,
        ended=[{"task_id": "t", "status": "SUCCESS"}],
        deliveries=[{"id": "d", "task_id": "t", "status": "DELIVERED", "attempt": 1, "url": "http://h/wide/ok"}],
        usage=[{"tenant": "wide", "period": "day", "used": 1, "stored": 1}],
        slots={"wide": 0},
        received=[Received(_AT, "/wide/ok", "d", "t", "SUCCESS", is_signed=True, answer=204)],
        effects=[_effect("a", 1, "begin"), _effect("b", 2, "begin"), _effect("b", 2, "end")],
        events=[
            {"tenant": "wide", "task_id": task_id, "type": "task.succeeded", "id": f"evt_{task_id}"}
            for task_id in ("t", "u")
        ],
        followed={"wide": [("t", "task.succeeded", "evt_t"), ("u", "task.succeeded", "evt_u")]},
        redis_keys=[],
        quotas={},
    )


def _answer(status: int, *, has_retry_after: bool = False) -> Answer:
    return Answer(_AT, 0.1, "api1", status, "", has_retry_after, "submit")


def _effect(token: str, attempt: int, what: str) -> dict[str, Any]:
    return {"task": "t", "attempt": attempt, "token": token, "what": what, "at": _AT + 1}


def test_in_a_sound_run_nothing_is_wrong():
    verdict = checker.check(_sound())
    assert verdict.violations == []
    assert (verdict.accepted, verdict.recovered, verdict.webhooks) == (1, 1, 1)


def _forget_the_row(facts: Facts) -> None:
    facts.tasks.clear()


def _leave_it_open(facts: Facts) -> None:
    facts.tasks[0]["status"] = "STARTED"


def _end_otherwise(facts: Facts) -> None:
    facts.tasks[0] |= {"status": "FAILURE", "error_type": "WorkerLost"}


def _change_the_result(facts: Facts) -> None:
    facts.tasks[0]["result"] = json.dumps(8)


def _tell_another_end(facts: Facts) -> None:
    facts.operations[0].seen_ends.append({"status": "REVOKED"})


def _store_twice(facts: Facts) -> None:
    facts.tasks.append(facts.tasks[0] | {"id": "u"})


def _answer_twice(facts: Facts) -> None:
    facts.operations[0].accept("u", _AT)


def _store_what_nobody_sent(facts: Facts) -> None:
    facts.tasks[0]["tags"] = ["another"]


def _end_twice(facts: Facts) -> None:
    facts.ended.append({"task_id": "t", "status": "FAILURE"})


def _succeed_twice(facts: Facts) -> None:
    facts.attempts[0]["status"] = "SUCCESS"


def _skip_an_attempt(facts: Facts) -> None:
    del facts.attempts[0]


def _end_by_the_sleepers_token(facts: Facts) -> None:
    facts.tasks[0]["claim_token"] = "a"


def _act_twice(facts: Facts) -> None:
    facts.effects.append(_effect("b", 2, "begin"))


def _act_without_an_attempt(facts: Facts) -> None:
    facts.effects.append(_effect("c", 3, "begin"))


def _act_before_the_attempt(facts: Facts) -> None:
    facts.effects[1]["at"] = _AT - 1


def _miscount(facts: Facts) -> None:
    facts.usage[0]["used"] = 2


def _exceed_a_quota(facts: Facts) -> None:
    facts.quotas["wide"] = 0


def _keep_a_slot(facts: Facts) -> None:
    facts.slots["wide"] = 1


def _forget_the_delivery(facts: Facts) -> None:
    facts.deliveries.clear()
    facts.received.clear()


def _deliver_to_nobody(facts: Facts) -> None:
    facts.received.clear()


def _sign_wrongly(facts: Facts) -> None:
    facts.received[0] = replace(facts.received[0], is_signed=False)


def _tell_a_wrong_end(facts: Facts) -> None:
    facts.received[0] = replace(facts.received[0], status="FAILURE")


def _tell_another_tenant(facts: Facts) -> None:
    facts.received[0] = replace(facts.received[0], path="/pro/ok")


def _answer_500(facts: Facts) -> None:
    facts.operations[0].answers.append(_answer(500, has_retry_after=True))


def _refuse_without_a_time(facts: Facts) -> None:
    facts.operations[0].answers.append(_answer(503))


def _collapse(facts: Facts) -> None:
    facts.collapses.append("dispatcher1 ended with 1")


def _skip_an_event(facts: Facts) -> None:
    del facts.followed["wide"][0]


def _repeat_an_event(facts: Facts) -> None:
    facts.followed["wide"].append(facts.followed["wide"][1])


def _swap_events(facts: Facts) -> None:
    facts.followed["wide"].reverse()


def _call_by_no_task(facts: Facts) -> None:
    facts.calls.append(Called("wide", "t", is_signed=True))


def _call_unsigned(facts: Facts) -> None:
    facts.tasks[0]["task"] = "http_request"
    facts.calls.append(Called("wide", "t", is_signed=False))


def _succeed_without_a_call(facts: Facts) -> None:
    facts.tasks[0]["task"] = "http_request"


@pytest.mark.parametrize(
    ("plant", "rule", "count"),
    [
        (_forget_the_row, "C1 lost", "lost"),
        (_leave_it_open, "C1 lost", "lost"),
        (_end_otherwise, "C1 effect t ended FAILURE", None),
        (_change_the_result, "C1 effect t has the result 8", None),
        (_tell_another_end, "C1 t was seen REVOKED", None),
        (_store_twice, "C2 2 tasks", "duplicated"),
        (_answer_twice, "C2 key was answered", "duplicated"),
        (_store_what_nobody_sent, "C2 a task under the key another", None),
        (_end_twice, "I2 t is SUCCESS and ended", "duplicated"),
        (_succeed_twice, "I2 t is SUCCESS with the attempts", "duplicated"),
        (_skip_an_attempt, "I3 t is at attempt 2", None),
        (_end_by_the_sleepers_token, "C4", None),
        (_act_twice, "C3 2 times", None),
        (_act_without_an_attempt, "C3 t ran under a token without", None),
        (_act_before_the_attempt, "C3 t ran before", None),
        (_miscount, "C5 wide: 2 counted", "quota_drift"),
        (_exceed_a_quota, "C5 wide: 1 of 0", None),
        (_keep_a_slot, "C5 wide: 1 slots", "slots_left"),
        (_forget_the_delivery, "C7 t (SUCCESS) has 0", "webhooks_lost"),
        (_deliver_to_nobody, "C7 the delivery d", "webhooks_lost"),
        (_sign_wrongly, "C7 a signature", None),
        (_tell_a_wrong_end, "C7 d tells", None),
        (_tell_another_tenant, "C9", None),
        (_skip_an_event, "C7 the feed of wide told 1 events of 2", None),
        (_repeat_an_event, "C7 the feed of wide told 3 events of 2", None),
        (_swap_events, "C7 the feed of wide told 2 events of 2", None),
        (_call_by_no_task, "C7 a request for t of wide, which is no such task", None),
        (_call_unsigned, "C7 a request for t is not signed", None),
        (_succeed_without_a_call, "C7 t has succeeded, and its request did not come", None),
        (_collapse, "nobody hurt it: dispatcher1", None),
        (_answer_500, "an improper 500", None),
        (_refuse_without_a_time, "an improper 503", None),
    ],
)
def test_what_is_wrong_is_found(plant: Callable[[Facts], None], rule: str, count: str | None):
    facts = _sound()
    plant(facts)
    verdict = checker.check(facts)
    assert any(found.startswith(rule) for found in verdict.violations), verdict.violations
    assert count is None or verdict.counts()[count] >= 1


def test_a_claim_that_a_crash_of_postgres_took_back_is_no_violation():
    facts = _sound()
    facts.effects.append(_effect("c", 2, "begin"))
    facts.postgres_crashes = [_AT + 1.5]
    verdict = checker.check(facts)
    assert (verdict.violations, verdict.undone_claims) == ([], 1)
