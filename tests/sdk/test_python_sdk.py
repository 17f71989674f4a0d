"""The Python client against the live API, installed from its wheel, with nothing of ours beside it."""

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import yaml

from scripts import sdk_python
from scripts.sdk_generator.modules import Document
from tests.conftest import Stack, Tenant
from tests.sdk.conftest import DOCUMENT, PROGRAMS, Sdk

ELSEWHERE = {
    "create_token", "revoke_token", "login", "change_password",  # of people and of tokens: the client has a key
    "get_key_set", "get_health", "get_readiness",  # of operators and gateways
}  # fmt: skip
"""Operations that are not of a client's business."""
BY_REQUEST = {"create_portal_link", "get_portal_settings", "set_portal_settings"}
"""Operations that have no method of their own, and are reached by ``client.request``."""


@pytest.fixture(scope="module")
def customer(make_tenant: Callable[..., Tenant]) -> Tenant:
    """A tenant whose queue and keys are changed by nobody else."""
    return make_tenant("sdk")


@pytest.mark.parametrize(
    "function",
    [
        "submit_wait_and_list",
        "lists_go_over_pages",
        "a_batch_says_what_was_refused",
        "errors_are_exceptions",
        "a_failed_task_is_an_exception",
        "many_at_once",
        "logs_and_events",
        "the_feed_goes_on_after_its_cursor",
        "errors_and_statistics",
        "webhooks",
        "schedules",
        "the_account",
    ],
)
def test_a_customers_program_runs_against_the_live_api(sdk: Sdk, stack: Stack, customer: Tenant, function: str):
    sdk.run("journey", function, TASK_QUEUE_URL=stack.url, TASK_QUEUE_KEY=customer.api_key)


def test_the_async_client_has_the_same_names_and_does_the_same(sdk: Sdk, stack: Stack, customer: Tenant):
    sdk.run("journey_async", TASK_QUEUE_URL=stack.url, TASK_QUEUE_KEY=customer.api_key)


def test_calls_are_attempted_again_where_that_is_safe(sdk: Sdk):
    sdk.run("rough_network")


def test_no_secret_is_in_a_repr_a_log_or_a_traceback(sdk: Sdk, stack: Stack, customer: Tenant):
    done = sdk.start(str(PROGRAMS / "no_secrets.py"), TASK_QUEUE_URL=stack.url, TASK_QUEUE_KEY=customer.api_key)
    output = "".join(done.communicate(timeout=60))
    assert done.returncode == 0, output
    assert "Traceback" in output
    assert "BearerAuth" in output
    assert customer.api_key not in output
    assert customer.api_key[-20:] not in output


def mypy(sdk: Sdk, folder: Path, *paths: str | Path) -> str:
    """Return what mypy says under strict settings; nothing if all is well."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "--explicit-package-bases",
         "--cache-dir", str(sdk.dependencies.parent / "mypy"), *map(str, paths)],
        env={"MYPYPATH": f"{sdk.installed}:{PROGRAMS}"}, cwd=folder, check=False, capture_output=True, text=True, timeout=110,
    )  # fmt: skip
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_the_client_and_customers_programs_are_typed_strictly(sdk: Sdk, tmp_path: Path):
    assert mypy(sdk, tmp_path, sdk.installed / "task_queue_client", *sorted(PROGRAMS.glob("*.py"))) == ""


def test_the_task_types_of_an_operator_are_typed(sdk: Sdk, stack: Stack, tmp_path: Path):
    served = httpx.get(f"{stack.url}/openapi.json", trust_env=False).json()
    submits = served["components"]["schemas"]["SubmitRequest"]["discriminator"]["mapping"]
    # A few of the seventy that the tests have: a checker compares each with each.
    kept = {"echo", "test.add", "test.control", "test.reports"}
    for name in submits.keys() - kept:
        del served["components"]["schemas"][submits.pop(name).rpartition("/")[2]]
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(served))
    made = sdk_python.generate(document, tmp_path / "made")
    program = tmp_path / "program.py"
    program.write_text(
        "from typing import assert_type\n"
        "from task_queue_client import TaskQueue\n"
        "with TaskQueue() as client:\n"
        "    assert_type(client.tasks.submit('test.add', {'a': 1, 'b': 2}).wait(), int)\n"
        "    client.tasks.submit('test.add', {'a': 1})  # type: ignore[call-overload]\n"
        "    client.tasks.submit('test.control', {'raises': 'nothing', 'times': 1})  # type: ignore[call-overload]\n"
    )
    typed = Sdk(made, tmp_path / "made" / "python", tmp_path / "made" / "python", sdk.dependencies)
    assert mypy(typed, tmp_path, typed.installed / "task_queue_client", program) == ""


def test_a_client_without_task_types_takes_any_name(sdk: Sdk, tmp_path: Path):
    made = Document(yaml.safe_load(DOCUMENT.read_text()), with_task_types=False)
    files = sdk_python.files(made)
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    program = tmp_path / "program.py"
    program.write_text(
        "from task_queue_client import TaskQueue\n"
        "def submit(client: TaskQueue, name: str) -> None:\n"
        "    client.tasks.submit(name, {'month': 1}, priority=9).wait()\n"
        "    client.tasks.submit_many([{'task': name, 'payload': 1}])\n"
    )
    untyped = Sdk(sdk.wheel, tmp_path, tmp_path, sdk.dependencies)
    assert mypy(untyped, tmp_path, tmp_path / "task_queue_client", program) == ""


def test_every_operation_is_offered_and_the_wheel_says_what_it_is(sdk: Sdk):
    described = yaml.safe_load(DOCUMENT.read_text())
    known = {operation["operationId"] for path in described["paths"].values() for operation in path.values()}
    sources = "".join(path.read_text() for path in (sdk.installed / "task_queue_client" / "_async").glob("*.py"))
    assert {name for name in known if re.search(f'"{name}"', sources)} == known - ELSEWHERE - BY_REQUEST
    assert sdk.wheel.name == f"task_queue_client-{described['info']['version']}-py3-none-any.whl"
    files = set(zipfile.ZipFile(sdk.wheel).namelist())
    assert any(name.endswith("/licenses/LICENSE") for name in files)
    assert "task_queue_client/py.typed" in files


def test_every_code_of_the_document_has_an_exception_of_its_own(sdk: Sdk):
    codes = set(re.findall(r"^ +code: (\w+)$", DOCUMENT.read_text(), re.MULTILINE))
    given = set(sdk.run("codes").split())
    assert codes - given == set()


def test_the_same_document_makes_the_same_wheel(sdk: Sdk, tmp_path: Path):
    assert sdk_python.generate(DOCUMENT, tmp_path).read_bytes() == sdk.wheel.read_bytes()


@pytest.mark.parametrize(
    ("text", "told"),
    [(None, "No such file"), ("{", "neither JSON nor YAML"), ('{"detail": "no such page"}', "take it from /openapi.json"), ("- a", "not the document")],
)  # fmt: skip
def test_a_document_that_is_none_is_told_in_a_line_and_leaves_nothing(tmp_path: Path, text: str | None, told: str):
    if text is not None:
        (tmp_path / "openapi.json").write_text(text)
    with pytest.raises(SystemExit, match=told):
        sdk_python.generate(tmp_path / "openapi.json", tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_a_folder_that_has_something_else_is_left_alone(tmp_path: Path):
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "mine.txt").write_text("keep me")
    with pytest.raises(SystemExit, match="name another --output"):
        sdk_python.generate(DOCUMENT, tmp_path)
    assert (tmp_path / "python" / "mine.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["python"]
