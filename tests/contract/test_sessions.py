"""Nothing of ours needs a session of Postgres: a pooler may give each transaction another connection."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.conftest import ROOT

_OF_A_SESSION = {
    "an advisory lock outside of a transaction": re.compile(r"\bpg_(try_)?advisory_(lock|unlock)", re.IGNORECASE),
    "LISTEN": re.compile(r"^\s*(UN)?LISTEN\s+\w+\s*;?\s*$", re.IGNORECASE | re.MULTILINE),
    "a listener": re.compile(r"\b(add_listener|add_termination_listener)\b"),
    "a temporary table": re.compile(r"\bCREATE\s+(GLOBAL\s+|LOCAL\s+)?TEMP(ORARY)?\b", re.IGNORECASE),
    "SET of a session": re.compile(
        r"(^|;)\s*SET\s+(?!LOCAL\b|CONSTRAINTS\b)(SESSION\s+|ROLE\s+)?[a-z_.]+\s*(=|\bTO\b)", re.IGNORECASE
    ),
    "set_config of a session": re.compile(r"set_config\([^()]*(\([^()]*\)[^()]*)*,\s*false\s*\)", re.IGNORECASE),
    "a statement that is prepared by name": re.compile(r"(^|;)\s*(PREPARE|DEALLOCATE|DISCARD)\s+\w+", re.IGNORECASE),
    "a cursor that outlives its transaction": re.compile(r"\bWITH\s+HOLD\b", re.IGNORECASE),
}
_MODULES = [*sorted((ROOT / "app").rglob("*.py")), *sorted((ROOT / "migrations").glob("*.py"))]


def _faults(text: str) -> list[str]:
    return [what for what, form in _OF_A_SESSION.items() if form.search(text)]


def _texts(path: Path) -> Iterator[str]:
    """Yield every text of a module, its docstrings left out, and the names that it calls."""
    tree = ast.parse(path.read_text())
    told = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.value
        elif isinstance(node, ast.Attribute):
            yield node.attr


@pytest.mark.parametrize("path", _MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_leaves_anything_in_a_session(path: Path):
    assert [(text, found) for text in _texts(path) if (found := _faults(text))] == []


async def test_no_function_of_the_database_leaves_anything_in_a_session(environment: dict[str, str]):
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    try:
        functions = await connection.fetch(
            "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        )
    finally:
        await connection.close()
    assert len(functions) > 20
    assert {row["proname"]: found for row in functions if (found := _faults(row["prosrc"]))} == {}


@pytest.mark.parametrize(
    "text",
    [
        "SELECT pg_try_advisory_lock($1) AS leads, now() AS now",
        "SELECT pg_advisory_unlock(1)",
        "SET idle_session_timeout = '4s'",
        "SET SESSION statement_timeout TO 5",
        "BEGIN; SET jit = off",
        "LISTEN tasks",
        "add_listener",
        "CREATE TEMP TABLE a (b int)",
        "create temporary table a (b int)",
        "SELECT set_config('app.tenant_ids', current_setting('a', true), false)",
        "PREPARE a AS SELECT 1",
        "DISCARD ALL",
        "DECLARE a CURSOR WITH HOLD FOR SELECT 1",
    ],
)
def test_what_needs_a_session_is_found(text: str):
    assert _faults(text)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT pg_advisory_xact_lock(1)",
        "SET LOCAL lock_timeout = '1s'",
        "BEGIN; SELECT set_config('app.tenant_ids', '{}', true)",
        "UPDATE task SET status = 'PENDING'",
        "ALTER ROLE a IN DATABASE b SET jit = off",
        "INSERT INTO a VALUES (1) ON CONFLICT (b)\nDO UPDATE SET c = 1",
    ],
)
def test_what_ends_with_its_transaction_is_not(text: str):
    assert _faults(text) == []
