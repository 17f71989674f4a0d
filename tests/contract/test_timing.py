"""Time limits of app/tasks/run/timing.py have no second home: SQL functions get them as parameters."""

import re

from app.tasks.run import outcomes
from tests.conftest import ROOT

_FUNCTIONS = {path.stem: path.read_text() for path in (ROOT / "migrations" / "functions").glob("*.sql")}
_PARAMETERS = {"p_dead_after", "p_deadline_grace", "p_short_attempt", "p_short_for", "p_cancelled"}


def _body(text: str) -> str:
    return re.sub(r"--[^\n]*", "", text.partition("AS $$")[2])


def test_no_function_repeats_a_number_of_seconds():
    seconds = re.compile(r"interval '[\d.]+ ?s|secs => [^)]*\+ \d|heartbeat_at [<>] now\(\) - interval")
    assert [name for name, text in _FUNCTIONS.items() if seconds.search(_body(text))] == []


def test_no_function_repeats_an_error():
    assert [name for name, text in _FUNCTIONS.items() if outcomes.CANCELLED["type"] in _body(text)] == []


def test_each_of_these_limits_is_the_parameter_of_some_function():
    found = {name for text in _FUNCTIONS.values() for name in re.findall(r"\bp_\w+", _body(text))}
    assert found >= _PARAMETERS
