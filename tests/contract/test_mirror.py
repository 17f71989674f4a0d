"""A module's tests are found by its name: tests/<room>/test_<module>.py, or what mirror.toml says."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT

MODULES = sorted(
    str(path.relative_to(ROOT / "app").with_suffix(""))
    for path in (ROOT / "app").rglob("*.py")
    if path.name != "__init__.py"
)
_MAP = tomllib.loads(Path(__file__).with_name("mirror.toml").read_text())
ELSEWHERE: dict[str, list[str]] = _MAP["elsewhere"]
WITHOUT_BEHAVIOUR: dict[str, str] = _MAP["without_behaviour"]


def _mirror(module: str) -> Path:
    room, _, name = module.rpartition("/")
    return ROOT / "tests" / room / f"test_{name}.py"


def _has_tests(path: Path) -> bool:
    return path.is_file() and any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
        for node in ast.walk(ast.parse(path.read_text()))
    )


def _links(path: Path) -> list[Path]:
    """Return the test files that the docstring of a file without tests names."""
    return [ROOT / named for named in re.findall(r"tests/[\w/]+\.py", path.read_text())]


def _tests_of(module: str) -> list[Path]:
    if (mirror := _mirror(module)).is_file():
        return [mirror] if _has_tests(mirror) else _links(mirror)
    return [ROOT / "tests" / f"{name}.py" for name in ELSEWHERE.get(module, [])]


@pytest.mark.parametrize("module", [module for module in MODULES if module not in WITHOUT_BEHAVIOUR])
def test_a_module_has_tests_that_are_found_by_its_name(module: str):
    tests = _tests_of(module)
    assert tests, f"add {_mirror(module).relative_to(ROOT)}, or a line to tests/contract/mirror.toml"
    assert [path for path in tests if not _has_tests(path)] == []


@pytest.mark.parametrize("module", [*ELSEWHERE, *WITHOUT_BEHAVIOUR])
def test_the_map_names_modules_that_have_no_file_of_their_own(module: str):
    assert module in MODULES
    assert not _mirror(module).exists()


def test_a_module_is_named_once():
    assert not ELSEWHERE.keys() & WITHOUT_BEHAVIOUR.keys()


def test_a_module_without_behaviour_has_hardly_a_branch():
    """A loop, a condition or an await is behaviour, but for those of a process's start."""
    for module in WITHOUT_BEHAVIOUR:
        nodes = ast.walk(ast.parse((ROOT / "app" / f"{module}.py").read_text()))
        branches = [node for node in nodes if isinstance(node, ast.If | ast.For | ast.While | ast.Try)]
        assert len(branches) <= (3 if module.endswith("__main__") else 0), module
