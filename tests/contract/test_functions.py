"""Each function's file holds one function under a header that says who calls it; the page on security shows the rights."""

import re

import pytest

from app.core import secrets
from migrations import rights, script
from tests.conftest import ROOT
from tests.docs import pages

_FUNCTIONS = ROOT / "migrations" / "functions"
_HEADER = re.compile(
    r"-- Purpose\. (?:.|\n)+?\n-- Parameters\. (?:.|\n)+?\n-- Returns\. (?:.|\n)+?\n-- Locks\. (?:.|\n)+?"
    r"\n-- Called by\. ((?:.|\n)+?)\nCREATE OR REPLACE FUNCTION (\w+)\("
)


@pytest.mark.parametrize("name", script.functions())
def test_a_functions_file_has_a_header_and_names_its_callers(name: str):
    text = (_FUNCTIONS / f"{name}.sql").read_text()
    header = _HEADER.match(text)
    assert header
    assert (header[2], text.count("CREATE OR REPLACE FUNCTION")) == (name, 1)
    callers = [ROOT / path for path in re.findall(r"\b(?:app|scripts|migrations)/\w+/[\w/]+\.(?:py|sql)", header[1])]
    callers += [
        _FUNCTIONS / f"{word}.sql" for word in re.findall(r"\b\w+_\w+\b", header[1]) if word in script.functions()
    ]
    assert callers or "trigger" in header[1] or "the functions" in header[1]
    for caller in callers:
        assert re.search(rf"\b{name}\b", caller.read_text()), caller


def test_every_parameter_of_a_function_is_explained():
    for name in script.functions():
        text = (_FUNCTIONS / f"{name}.sql").read_text()
        header, _, rest = text.partition("CREATE OR REPLACE FUNCTION")
        parameters = re.findall(r"\bp_\w+", rest.partition("RETURNS")[0])
        told = header.partition("Parameters. ")[2].partition("-- Returns.")[0]
        if "columns of the tasks" not in told:
            assert set(parameters) <= set(re.findall(r"\bp_\w+", told)), name


def test_an_end_that_writes_events_does_all_that_another_does():
    """Its statement is that of a tenant without a log, with lines that were added; both stand in one function."""
    body = re.sub(r" *--[^\n]*", "", (_FUNCTIONS / "attempts_finish.sql").read_text().partition("AS $$")[2])
    plain, logged = ([line.strip() for line in part.splitlines()] for part in body.split("RETURN QUERY")[1:])
    plain = plain[: plain.index("RETURN;")]
    assert plain[-1] == "ORDER BY g.number;"
    # It writes no event, so no webhook is to be sent.
    plain.remove(", false")
    left = iter(logged)
    assert [line for line in plain if line not in left] == []
    assert not any(word in line for line in plain for word in ("event", "webhook"))


def test_the_page_on_security_shows_the_matrix():
    columns = [f"`{role}`" for role in secrets.ROLES]
    told = {
        (pages.code(row[0])[0], role): may
        for row in pages.table(ROOT / "docs" / "security-isolation.md", "table", *columns)
        for role, may in zip(secrets.ROLES, row[1:], strict=True)
        if may
    }
    assert told == rights.letters()


def test_a_right_that_cannot_be_read_is_refused():
    assert rights.parts("select(a, b), insert") == {"select": "a, b", "insert": ""}
    for text in ("select(a", "selects", "select insert", "truncate"):
        with pytest.raises(ValueError, match="not a list of rights"):
            rights.parts(text)
