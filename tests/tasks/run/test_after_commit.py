"""What follows the end of an attempt; that waiters are woken, races/test_after_commit.py and test_dispatcher.py show."""

import logging
import uuid
from types import SimpleNamespace
from typing import Any

import pytest

from app.broker.ring import ASYNCIO
from app.broker.tickets import Offer
from app.tasks.run import after_commit, outcomes
from app.tasks.run.attempts import AttemptEnd, FinishResult


@pytest.mark.parametrize(
    ("result", "is_offered"),
    [
        (None, False),
        (FinishResult("SUCCESS", frees_slot=False), False),
        (FinishResult("SUCCESS", frees_slot=True), True),
        (FinishResult("PENDING", frees_slot=False), True),
        (FinishResult("RETRY", frees_slot=False), False),
        (FinishResult("REVOKED", frees_slot=True), True),
    ],
)
def test_a_ticket_is_offered_where_a_task_waits_without_one(result: FinishResult | None, is_offered: bool):
    tenant_id = uuid.uuid4()
    offers = after_commit.offers_for([(tenant_id, ASYNCIO, result)] * 3)
    assert offers == ([Offer(tenant_id, ASYNCIO)] if is_offered else [])


@pytest.mark.parametrize(
    ("result", "outcome"), [(FinishResult("PENDING", frees_slot=True), "PENDING"), (None, "FENCED")]
)
def test_the_line_of_a_rescue_has_the_same_fields(
    caplog: pytest.LogCaptureFixture, result: FinishResult | None, outcome: str
):
    ref: Any = SimpleNamespace(tenant_id=uuid.uuid4(), task_id=uuid.uuid4(), claim_token=uuid.uuid4())
    attempt_end = AttemptEnd(ref, outcomes.lost(1))
    with caplog.at_level(logging.WARNING):
        after_commit.warn_of_rescue(attempt_end, result, reason="worker dead", times_lost=2)
    [line] = caplog.records
    facts = {name: getattr(line, name, None) for name in after_commit._facts(attempt_end, result)}
    assert facts == after_commit._facts(attempt_end, result, reason="worker dead", times_lost=2)
    assert (line.message, facts["outcome"], facts["task_id"]) == ("attempt", outcome, str(ref.task_id))
