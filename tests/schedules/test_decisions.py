"""What becomes of due fires, by every policy. Pure: times are given."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.schedules import decisions
from app.schedules.decisions import Decision, DueSchedule, decide
from app.schedules.timing import Timing

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
MINUTELY = Timing(cron="* * * * *", every_seconds=None, timezone="UTC", anchor=NOON)
TASK = UUID(int=1)


def _standing(**changes: Any) -> DueSchedule:
    facts = {
        "timing": MINUTELY, "overlap": "allow", "catch_up": "none", "catch_up_seconds": 3600, "max_fires": None, "fires": 0,
        "next_fire_at": NOON, "queued_fire_at": None, "last_status": None,
    }  # fmt: skip
    return DueSchedule(**(facts | changes))


def _at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def _outcomes(decision: Decision) -> list[tuple[float, str, int]]:
    return [((fire.fire_at - NOON) / timedelta(minutes=1), fire.outcome, fire.count) for fire in decision.fires]


def test_a_due_fire_makes_a_task_and_the_next_one_follows():
    decision = decide(_standing(), _at(0.1))
    assert _outcomes(decision) == [(0, "fired", 1)]
    assert (decision.next_fire_at, decision.last_fire_at) == (_at(1), NOON)


def test_nothing_is_due_before_its_time():
    decision = decide(_standing(), _at(-0.1))
    assert (decision.fires, decision.next_fire_at) == ([], NOON)


@pytest.mark.parametrize(
    ("catch_up", "seconds", "expected"),
    [
        # The last fire was at minute 10, half a minute ago: it is on time. Those before were missed.
        ("none", 3600, [(0, "missed", 10), (10, "fired", 1)]),
        ("latest", 3600, [(0, "missed", 10), (10, "fired", 1)]),
        ("all", 3600, [(minute, "fired", 1) for minute in range(11)]),
        ("all", 149, [(0, "missed", 9), (9, "fired", 1), (10, "fired", 1)]),
        ("all", 0, [(0, "missed", 10), (10, "fired", 1)]),
    ],
)
def test_missed_fires_are_made_up_as_the_policy_says(catch_up: str, seconds: int, expected: list[Any]):
    decision = decide(_standing(catch_up=catch_up, catch_up_seconds=seconds), _at(10.5))
    assert _outcomes(decision) == expected
    assert (decision.next_fire_at, decision.last_fire_at) == (_at(11), _at(10))


@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [
        ("none", [(0, "missed", 3)]),
        ("latest", [(0, "missed", 2), (120, "fired", 1)]),
        ("all", [(0, "fired", 1), (60, "fired", 1), (120, "fired", 1)]),
    ],
)
def test_a_dispatcher_that_was_away_for_three_periods_follows_the_policy(catch_up: str, expected: list[Any]):
    hourly = Timing(cron="0 * * * *", every_seconds=None, timezone="UTC", anchor=NOON)
    decision = decide(_standing(timing=hourly, catch_up=catch_up, catch_up_seconds=86_400), _at(150))
    assert _outcomes(decision) == expected
    [*missed] = [fire for fire in decision.fires if fire.outcome == "missed"]
    assert [fire.reason for fire in missed] == ["late"] * len(missed)
    assert decision.next_fire_at == _at(180)


def test_the_latest_fire_is_not_made_up_when_it_is_too_old():
    hourly = Timing(cron="0 * * * *", every_seconds=None, timezone="UTC", anchor=NOON)
    decision = decide(_standing(timing=hourly, catch_up="latest", catch_up_seconds=60), _at(150))
    assert _outcomes(decision) == [(0, "missed", 3)]


def test_fires_of_a_long_outage_are_counted_in_steps():
    week = _at(7 * 24 * 60)
    standing, counted, steps = _standing(), 0, 0
    while standing.next_fire_at is not None and standing.next_fire_at <= week:
        decision = decide(standing, week)
        assert len(decision.fires) <= 1 + decisions.MAX_FIRES
        counted += sum(fire.count for fire in decision.fires)
        standing = _standing(next_fire_at=decision.next_fire_at)
        steps += 1
    assert counted == 7 * 24 * 60 + 1
    assert steps == 11


def test_a_step_makes_a_bounded_number_of_tasks_and_the_next_one_goes_on():
    first = decide(_standing(catch_up="all", catch_up_seconds=86_400), _at(150))
    assert (len(first.fired), first.next_fire_at) == (100, _at(100))
    second = decide(_standing(catch_up="all", catch_up_seconds=86_400, next_fire_at=_at(100)), _at(150))
    assert (len(second.fired), second.next_fire_at) == (51, _at(151))


def test_a_schedule_ends_after_its_last_fire():
    decision = decide(_standing(max_fires=3, fires=2), _at(0.1))
    assert (len(decision.fired), decision.next_fire_at) == (1, None)
    several = decide(_standing(catch_up="all", max_fires=3, fires=1), _at(5))
    assert ([fire.fire_at for fire in several.fires], several.next_fire_at) == ([_at(0), _at(1)], None)


@pytest.mark.parametrize("fires", [3, 5])
@pytest.mark.parametrize("overlap", ["allow", "skip", "queue_one", "cancel_running"])
def test_a_schedule_past_its_last_fire_makes_no_task(overlap: str, fires: int):
    decision = decide(_standing(overlap=overlap, max_fires=3, fires=fires), _at(0.1))
    assert (decision.fires, decision.next_fire_at) == ([], None)
    # The same of a fire that has waited: there is a row for it, because its time has come.
    waited = decide(
        _standing(overlap=overlap, max_fires=3, fires=fires, next_fire_at=None, queued_fire_at=_at(-1)), _at(0.1)
    )
    assert [(fire.outcome, fire.reason) for fire in waited.fires] == [("skipped_overlap", "max_fires")]
    assert (waited.next_fire_at, waited.queued_fire_at) == (None, None)


def test_the_last_fire_leaves_none_waiting():
    # Two fires wait for a task that was triggered: it has ended, and only one more task is allowed.
    standing = _standing(overlap="queue_one", max_fires=1, last_status="SUCCESS", queued_fire_at=_at(-1))
    decision = decide(standing, _at(0.1))
    assert [(fire.outcome, fire.reason) for fire in decision.fires] == [
        ("fired", None),
        ("skipped_overlap", "max_fires"),
    ]
    assert (decision.next_fire_at, decision.queued_fire_at) == (None, None)


def test_a_refused_step_does_not_end_a_schedule_that_has_tasks_left():
    refused = decide(_standing(max_fires=1), _at(0.1)).refused("day")
    assert [(fire.outcome, fire.reason) for fire in refused.fires] == [("skipped_quota", "day")]
    assert refused.next_fire_at == _at(1)


@pytest.mark.parametrize("status", ["PENDING", "STARTED", "RETRY"])
@pytest.mark.parametrize(
    ("overlap", "outcomes", "queued", "cancels"),
    [
        ("allow", [(0, "fired", 1)], None, False),
        ("skip", [(0, "skipped_overlap", 1)], None, False),
        ("queue_one", [], NOON, False),
        ("cancel_running", [], NOON, True),
    ],
)
def test_a_fire_meets_a_task_that_has_not_ended(status: str, overlap: str, outcomes: Any, queued: Any, cancels: bool):
    decision = decide(_standing(overlap=overlap, last_status=status), _at(0.1))
    assert (_outcomes(decision), decision.queued_fire_at, decision.cancels) == (outcomes, queued, cancels)
    assert decision.next_fire_at == _at(1)


@pytest.mark.parametrize("status", ["SUCCESS", "FAILURE", "REVOKED", None])
@pytest.mark.parametrize("overlap", ["allow", "skip", "queue_one", "cancel_running"])
def test_a_fire_after_the_end_of_the_task_makes_a_new_one(status: str | None, overlap: str):
    assert _outcomes(decide(_standing(overlap=overlap, last_status=status), _at(0.1))) == [(0, "fired", 1)]


def test_one_fire_waits_and_later_ones_are_skipped():
    waiting = _standing(overlap="queue_one", last_status="STARTED", queued_fire_at=NOON, next_fire_at=_at(1))
    decision = decide(waiting, _at(1.1))
    assert (_outcomes(decision), decision.queued_fire_at) == ([(1, "skipped_overlap", 1)], NOON)
    # It starts when the task has ended, also if no other fire is due.
    ended = _standing(overlap="queue_one", last_status="SUCCESS", queued_fire_at=NOON, next_fire_at=_at(2))
    decision = decide(ended, _at(1.5))
    assert (_outcomes(decision), decision.queued_fire_at, decision.next_fire_at) == ([(0, "fired", 1)], None, _at(2))


def test_the_newest_fire_replaces_the_one_that_waits_for_a_cancel():
    waiting = _standing(overlap="cancel_running", last_status="STARTED", queued_fire_at=NOON, next_fire_at=_at(1))
    decision = decide(waiting, _at(1.1))
    assert (_outcomes(decision), decision.queued_fire_at, decision.cancels) == (
        [(0, "skipped_overlap", 1)],
        _at(1),
        True,
    )


def test_fires_of_a_suspended_tenant_are_missed_and_one_that_waits_still_waits():
    decision = decide(
        _standing(catch_up="all", is_suspended=True, queued_fire_at=_at(-1), overlap="queue_one"), _at(2.5)
    )
    assert [(fire.outcome, fire.reason, fire.count) for fire in decision.fires] == [("missed", "suspended", 3)]
    assert decision.queued_fire_at == _at(-1)


@pytest.mark.parametrize(
    ("statuses", "pauses"),
    [
        (["FAILURE", "FAILURE"], True),
        (["STARTED", "FAILURE", "FAILURE"], True),
        (["FAILURE", "SUCCESS", "FAILURE"], False),
        (["REVOKED", "FAILURE", "FAILURE"], False),
        (["FAILURE"], False),
        ([], False),
    ],
)
def test_a_schedule_whose_tasks_fail_in_a_row_is_paused(statuses: list[str], pauses: bool):
    decision = decide(_standing(pause_after_failures=2, recent_statuses=statuses), _at(0.1))
    assert (decision.paused_for is not None) == pauses
    if pauses:
        assert [(fire.outcome, fire.reason) for fire in decision.fires] == [("missed", "failures")]
        assert (decision.next_fire_at, decision.queued_fire_at) == (None, None)


def test_a_refused_step_keeps_its_times_and_makes_no_task():
    refused = decide(_standing(catch_up="all"), _at(1.5)).refused("day")
    assert [(fire.outcome, fire.reason) for fire in refused.fires] == [("skipped_quota", "day")] * 2
    assert (refused.fired, refused.next_fire_at) == ([], _at(2))


@given(
    overlap=st.sampled_from(["allow", "skip", "queue_one", "cancel_running"]),
    catch_up=st.sampled_from(["none", "latest", "all"]),
    looks=st.lists(st.integers(1, 400), min_size=1, max_size=20),
    statuses=st.lists(st.sampled_from(["STARTED", "SUCCESS", "FAILURE"]), min_size=20, max_size=20),
)
def test_every_time_is_fired_skipped_missed_or_waits_exactly_once(
    overlap: Any, catch_up: Any, looks: list[int], statuses: list[str]
):
    now, next_fire_at, queued, status, told = NOON, NOON, None, None, 0
    fired: list[datetime] = []
    for seconds, following in zip(looks, statuses, strict=False):
        now += timedelta(seconds=seconds)
        decision = decide(
            _standing(
                overlap=overlap, catch_up=catch_up, next_fire_at=next_fire_at, queued_fire_at=queued, last_status=status
            ),
            now,
        )
        told += sum(fire.count for fire in decision.fires)
        fired += [fire.fire_at for fire in decision.fired]
        assert decision.next_fire_at is not None
        next_fire_at, queued = decision.next_fire_at, decision.queued_fire_at
        status = following if decision.fired or status is not None else None
    assert next_fire_at > now
    assert told + (queued is not None) == (next_fire_at - NOON) / timedelta(minutes=1)
    assert len(set(fired)) == len(fired)
