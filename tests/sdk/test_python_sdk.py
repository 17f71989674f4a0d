"""The Python SDK against the live API, installed from its wheel, with nothing of ours beside it."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from scripts import sdk_python
from tests.conftest import Stack, Tenant
from tests.sdk.conftest import DOCUMENT, PROGRAMS, Sdk


@pytest.mark.parametrize(
    "function",
    [
        "typed_submit_wait_and_list",
        "empty_submit_and_idempotency_key",
        "batch_of_both_types_and_a_refused_task",
        "async_submit_and_wait",
        "unknown_task_is_a_problem",
        "invalid_submit_names_its_faults",
        "wrong_key_is_a_problem",
        "wait_ends_before_the_task",
        "cancel_and_retry",
    ],
)
def test_a_customers_program_runs_against_the_live_api(sdk: Sdk, stack: Stack, acme: Tenant, function: str):
    sdk.run("journey", function, API_URL=stack.url, API_KEY=acme.api_key)


def test_a_wait_outlives_an_api_that_is_away(sdk: Sdk):
    sdk.run("rough_network")


def test_sdk_and_customers_programs_are_typed_strictly(sdk: Sdk, tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "--cache-dir", str(tmp_path),
         str(sdk.installed / "task_queue_client"), *map(str, sorted(PROGRAMS.glob("*.py")))],
        env={"MYPYPATH": str(sdk.installed)}, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=110,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_operation_is_a_call_and_the_wheel_says_what_it_is(sdk: Sdk):
    described = yaml.safe_load(DOCUMENT.read_text())
    calls = {path.stem for path in (sdk.installed / "task_queue_client" / "api").rglob("[a-z]*.py")}
    assert calls == {operation["operationId"] for path in described["paths"].values() for operation in path.values()}
    assert sdk.wheel.name == f"task_queue_client-{described['info']['version']}-py3-none-any.whl"
    files = set(zipfile.ZipFile(sdk.wheel).namelist())
    assert any(name.endswith("/licenses/LICENSE") for name in files)
    assert "task_queue_client/py.typed" in files


def test_the_same_document_makes_the_same_wheel(sdk: Sdk, tmp_path: Path):
    assert sdk_python.generate(DOCUMENT, tmp_path).read_bytes() == sdk.wheel.read_bytes()


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path):
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "mine.txt").write_text("keep me")
    with pytest.raises(SystemExit, match="name another --output"):
        sdk_python.generate(DOCUMENT, tmp_path)
    assert (tmp_path / "python" / "mine.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["python"]
