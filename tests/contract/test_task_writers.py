"""Who writes the rows of tasks: the functions of the database that are named here, and the stores that call them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from tests.conftest import ROOT

_WRITE: Final = re.compile(
    r"\b(INSERT\s+INTO|UPDATE|DELETE\s+FROM|MERGE\s+INTO|TRUNCATE(\s+TABLE)?|COPY)\s+(ONLY\s+)?(public\.)?\"?"
    r"(task|attempt|backlog|result)\"?(?![\w.])",
    re.IGNORECASE,
)
# What is put together at run time may name any table.
_DYNAMIC: Final = re.compile(r"\bEXECUTE\s+(?!FUNCTION\b|PROCEDURE\b|ON\b)", re.IGNORECASE)

# Each function of the database that writes rows of tasks, and the rooms whose stores call it.
WRITERS: Final[dict[str, set[str]]] = {
    "tasks_accept": {"tasks"},
    "task_accept": {"tasks"},
    "tasks_claim": {"tasks"},
    # It calls tasks_claim.
    "tasks_lease": {"tasks"},
    "attempts_finish": {"tasks"},
    "attempt_finish": {"tasks"},
    "task_erase": {"tasks"},
    "waiting_change": {"tasks"},
    "waiting_revoke": {"tasks"},
    "prune_tasks": {"tasks"},
    # Tasks that wait for others: they follow ends, in the transaction of the end.
    "tasks_hold": {"tasks"},
    "held_free": set(),
    "held_release": {"tasks"},
    "held_settle": {"tasks"},
    "cancel_tenant": {"admin"},
    "erase_tenant": {"admin"},
    # They move rows between partitions, or drop what is empty, by statements that are made at run time.
    "drop_partition": set(),
    "drop_partitions": {"tasks"},
    "make_partition": set(),
    "make_partitions": set(),
    "partition_attach": set(),
    "partition_from_default": set(),
    "partition_step": {"tasks"},
    "partitions_default_periods": set(),
    "drop_event_days": {"events"},
}


def _writes(text: str) -> bool:
    return bool(_WRITE.search(text) or _DYNAMIC.search(text))


def _calls(text: str, names: set[str]) -> set[str]:
    return {name for name in names if re.search(rf"\b{name}\s*\(", text)}


def _texts(path: Path) -> Iterator[str]:
    """Yield the texts of a module, its docstrings left out."""
    tree = ast.parse(path.read_text())
    described = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in described:
            yield node.value
        # app.db.call() makes the text of a call from the function's name.
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "call":
            yield from (f"{name.value}(" for name in node.args[:1] if isinstance(name, ast.Constant))


def _modules() -> dict[Path, str]:
    return {path.relative_to(ROOT / "app"): "\n".join(_texts(path)) for path in sorted((ROOT / "app").rglob("*.py"))}


async def _bodies(environment: dict[str, str]) -> dict[str, str]:
    """Return the body of each function of the database."""
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    try:
        rows = await connection.fetch(
            "SELECT proname, coalesce(nullif(prosrc, ''), pg_get_functiondef(oid)) AS body FROM pg_proc"
            " WHERE pronamespace = 'public'::regnamespace AND prokind IN ('f', 'p')"
        )
    finally:
        await connection.close()
    return {row["proname"]: re.sub(r"--[^\n]*", "", row["body"]) for row in rows}


def _found(bodies: dict[str, str]) -> set[str]:
    """Return the functions that write, also by calling one that does."""
    found = {name for name, body in bodies.items() if _writes(body)}
    while more := {name for name, body in bodies.items() if name not in found and _calls(body, found)}:
        found |= more
    return found


async def test_only_these_functions_of_the_database_write_task_rows(environment: dict[str, str]):
    bodies = await _bodies(environment)
    assert len(bodies) > 20
    assert _found(bodies) == set(WRITERS)


def test_only_the_stores_of_these_rooms_call_them():
    modules = _modules()
    callers = {name: {path for path, text in modules.items() if _calls(text, {name})} for name in WRITERS}
    assert {name: {path.parts[0] for path in paths} for name, paths in callers.items()} == WRITERS
    assert {path.name for paths in callers.values() for path in paths if not path.stem.endswith("store")} == set()


def test_only_the_stores_of_tasks_write_task_rows_themselves():
    writers = {path for path, text in _modules().items() if _WRITE.search(text)}
    assert {path.parts[0] for path in writers} == {"tasks"}
    assert {path.name for path in writers if not path.stem.endswith("store")} == set()


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO task (id) VALUES (1)",
        "WITH a AS (\n  DELETE FROM\n  backlog b USING due)",
        "update only public.task set status = ''",
        'INSERT INTO "result" VALUES (1)',
        "MERGE INTO attempt a USING b",
        "TRUNCATE TABLE task",
        "EXECUTE format('DROP TABLE %I', name)",
    ],
)
def test_a_statement_that_writes_is_found(text: str):
    assert _writes(text)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM task FOR UPDATE",
        "INSERT INTO task_count VALUES (1)",
        "UPDATE tenant SET name = 'task'",
        "GRANT EXECUTE ON FUNCTION a TO b",
        "CREATE TRIGGER a BEFORE UPDATE ON task FOR EACH ROW EXECUTE FUNCTION b()",
    ],
)
def test_a_statement_that_does_not_is_not(text: str):
    assert not _writes(text)


def test_a_function_that_calls_one_that_writes_is_found():
    bodies = {"a": "SELECT b()", "b": "PERFORM c (1);", "c": "DELETE FROM attempt", "d": "SELECT 1"}
    assert _found(bodies) == {"a", "b", "c"}
