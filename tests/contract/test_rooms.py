"""Rules of the house that no import contract can hold."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

STORES = sorted((ROOT / "app").rglob("*store.py"))
MODULES = sorted((ROOT / "app").rglob("*.py"))


def _public_functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node


@pytest.mark.parametrize("path", STORES, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_every_public_function_of_a_store_takes_a_tenant_or_says_that_it_takes_any(path: Path):
    for function in _public_functions(path):
        arguments = [argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)]
        assert "tenant_id" in arguments or function.name.endswith("_any_tenant"), function.name


@pytest.mark.parametrize("statement", ["INSERT INTO task ", "UPDATE task ", "tasks_claim(", "attempts_finish("])
def test_only_the_tasks_store_writes_task_rows(statement: str):
    writers = {path.parent.name for path in MODULES if statement in path.read_text()}
    assert writers <= {"tasks"}


def test_no_file_outgrows_400_lines_and_no_function_60():
    for path in MODULES:
        assert path.read_text().count("\n") <= 400, path
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 60, f"{path}: {node.name}"
