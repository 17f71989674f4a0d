"""Locks are taken in one order (migrations/schema/README.md): read from the functions and from the stores' statements."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from migrations import script
from tests.conftest import ROOT

_FUNCTIONS: Final = ROOT / "migrations" / "functions"
_STEPS: Final = {"schedule": 0, "unique_key": 1, "tenant_admitted": 2, "tenant_slots": 3}
_ELSE: Final = 4
_LOCK: Final = re.compile(
    r"\b(?:UPDATE|DELETE\s+FROM|MERGE\s+INTO)\s+(?:ONLY\s+)?(?P<written>[a-z_]+)"
    r"|\bINSERT\s+INTO\s+(?P<inserted>[a-z_]+)(?P<rest>[^;]*?)(?=\bON\s+CONFLICT\b.*?\bDO\s+UPDATE|\)\s*,\s*\w+\s+AS|;|$)"
    r"|\bFOR\s+(?:NO\s+KEY\s+)?UPDATE\b(?:\s+OF\s+(?P<alias>\w+))?"
    r"|\b(?P<called>[a-z_]+)\s*\(",
    re.IGNORECASE | re.DOTALL,
)
# A submit's own rows are new, so nobody else holds them; and nobody who holds slots waits for usage_by_task.
_EXCEPTED: Final = {"tasks_accept", "task_accept"}


def _plain(text: str) -> str:
    return re.sub(r"--[^\n]*", "", text)


def _body(name: str) -> str:
    return _plain((_FUNCTIONS / f"{name}.sql").read_text()).partition("AS $$")[2]


def _read_from(text: str, at: int, alias: str | None) -> str:
    """Return the table that a locking clause at a place locks."""
    if alias:
        found = re.findall(rf"\b(?:FROM|JOIN)\s+(\w+)\s+{alias}\b", text[:at], re.IGNORECASE)
    else:
        found = re.findall(r"\b(?:FROM|LATERAL)\s+([a-z_]+)\b", text[:at], re.IGNORECASE)
    return str(found[-1])


def locks(text: str) -> Iterator[str]:
    """Yield the tables whose rows a text locks, in the order in which they stand there."""
    for match in _LOCK.finditer(text):
        if match["written"] and match["written"].lower() != "set":
            yield match["written"]
        elif match["inserted"]:
            if re.match(r"ON\s+CONFLICT\b.*?\bDO\s+UPDATE", text[match.end() :], re.IGNORECASE | re.DOTALL):
                yield match["inserted"]
        elif match["called"]:
            if match["called"] in script.functions() and match["called"] not in _EXCEPTED:
                yield from locks(_body(match["called"]))
        elif not match["written"]:
            yield _read_from(text, match.start(), match["alias"])


def is_ordered(tables: list[str]) -> bool:
    """Return whether no step's first lock comes after a lock of a later step."""
    first = list(dict.fromkeys(_STEPS.get(table, _ELSE) for table in tables))
    return first == sorted(first)


@pytest.mark.parametrize("name", script.functions())
def test_a_function_locks_in_the_order(name: str):
    assert is_ordered(list(locks(_body(name)))) or name in _EXCEPTED


def test_a_claim_and_an_end_lock_the_slots_first():
    for name in ("tasks_claim", "attempts_finish", "attempt_finish"):
        assert next(locks(_body(name))) == "tenant_slots"
    # In a statement of its own: the next one sees what the last holder wrote.
    assert re.match(
        r"[^;]*(;[^;]*)*?\bBEGIN[^;]*;\s*SELECT [^;]* FROM tenant_slots s [^;]*ORDER BY s\.tenant_id FOR UPDATE\s*\) AS l;",
        _body("attempts_finish"),
    )
    assert re.match(
        r"[^;]*(;[^;]*)*?\bBEGIN[^;]*;[^;]*;\s*SELECT [^;]* FROM tenant_slots s WHERE s\.tenant_id = p_tenant_id FOR UPDATE;",
        _body("attempt_finish"),
    )
    assert "ORDER BY s.tenant_id\n            FOR UPDATE OF s" in _body("tasks_claim")
    for name in ("usage_reserve", "task_accept"):
        assert next(locks(_body(name))) == "tenant_admitted"


@pytest.mark.parametrize("name", ["waiting_revoke", "waiting_change"])
def test_a_cancel_an_expiry_and_a_change_lock_the_slots_first_in_a_statement_of_their_own(name: str):
    assert re.match(
        r"[^;]*(;[^;]*)*?\bBEGIN\s*PERFORM FROM tenant_slots s WHERE s\.tenant_id = p_tenant FOR UPDATE;", _body(name)
    )


def test_who_makes_deliveries_locks_no_slots():
    # It holds a cursor, which comes after the slots: an end must never wait for it.
    assert set(locks(_body("webhook_fan_out"))) == {"webhook_cursor"}


def _statements(path: Path) -> dict[str, str]:
    """Return a store's statements by the name of their constant, or by their line."""
    tree = ast.parse(path.read_text())
    named = {
        id(node.value): node.targets[0].id if isinstance(node, ast.Assign) else node.target.id  # type: ignore[union-attr, attr-defined]
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value
    }
    return {
        named.get(id(node), str(node.lineno)): _plain(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.search(r"\b(FROM|UPDATE|INTO)\b", node.value)
    }


def _stores() -> list[Path]:
    return sorted((ROOT / "app").rglob("*store.py"))


def test_the_stores_statements_lock_in_the_order():
    wrong = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in _stores()
        for name, text in _statements(path).items()
        if not is_ordered(list(locks(text)))
    }
    assert wrong == set()


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM backlog WHERE true; UPDATE tenant_slots SET departed = 1",
        "SELECT FROM tenant_slots s FOR UPDATE; UPDATE tenant_admitted SET admitted = 1",
        "INSERT INTO usage (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2; SELECT FROM tenant_slots s FOR UPDATE OF s",
        "UPDATE task SET a = 1; SELECT usage_reserve(1)",
    ],
)
def test_another_order_is_seen(text: str):
    assert not is_ordered(list(locks(text)))
