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


def test_no_file_outgrows_320_lines_and_no_function_45():
    for path in MODULES:
        assert path.read_text().count("\n") <= 320, path
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 45, f"{path}: {node.name}"
