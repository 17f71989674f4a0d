"""Tables that repeat what the code says, held against it."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import typer

from app.admin import cli_runtime
from app.admin.commands import app as admin
from app.core import errors, secrets
from app.core.config import Settings
from app.core.errors import Problem
from app.http import protocol_limits
from app.identity import scopes
from app.tasks.definition.types import TaskType
from app.tasks.schemas import WaitingReason
from app.tasks.status import Status
from app.tenants import plans
from app.webhooks.delivery import retry_schedule
from tests.conftest import ROOT
from tests.docs import pages

DOCS = ROOT / "docs"
CONCEPTS, HTTP, TASK_TYPES, WEBHOOKS = (DOCS / f"{name}.md" for name in ("concepts", "http", "task-types", "webhooks"))
OPERATIONS, SETTINGS, SECRETS, COMMANDS, HEALTH = (
    DOCS / f"{name}.md" for name in ("operations", "settings", "secrets", "commands", "health")
)


def _first_column(page: Path, *columns: str) -> list[str]:
    return [name for row in pages.table(page, *columns) for name in pages.code(row[0])]


def test_every_setting_is_in_the_table_with_its_default():
    told = {
        name: row[1].strip("`") for row in pages.table(SETTINGS, "variable", "default") for name in pages.code(row[0])
    }
    assert told == {name.upper(): _default(field) for name, field in Settings.model_fields.items()}


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    if isinstance(field.default, tuple):
        return ",".join(map(str, field.default)) or "none"
    return "none" if field.default is None else str(field.default).removesuffix(".0")


def _problems(kind: type[Problem] = Problem) -> Iterator[type[Problem]]:
    yield kind
    for one in kind.__subclasses__():
        yield from _problems(one)


def test_every_error_is_in_the_table():
    told = {(int(row[0]), row[1].strip("`")) for row in pages.table(HTTP, "status", "code")}
    raised = {(kind.status, kind.code) for kind in _problems() if kind.__module__ == errors.__name__}
    assert raised <= told
    # The rest are the server's own, and the one of the framework's that we do not raise.
    assert {HTTPStatus[code.upper()] for _, code in told - raised} == {
        *protocol_limits._DETAILS,
        HTTPStatus.METHOD_NOT_ALLOWED,
    }
    assert all(HTTPStatus[code.upper()] == status for status, code in told - raised)


def test_every_call_is_in_the_table():
    described = (ROOT / "openapi.yaml").read_text().partition("\nwebhooks:")[0]
    calls = re.findall(r"^  (/\S+):$|^    (get|post|put|patch|delete):$", described, re.MULTILINE)
    path, expected = "", set()
    for found, method in calls:
        path = found or path
        if method:
            expected.add(f"{method.upper()} {path}")
    told = [call for line in _first_column(HTTP, "call", "scope") for call in line.split(", ")]
    assert sorted(told) == sorted(expected)


def test_every_scope_is_in_the_table_with_its_roles():
    told = {pages.code(row[0])[0]: set(pages.code(row[2])) for row in pages.table(HTTP, "scope", "allows")}
    having = {scope: {role for role, held in scopes.ROLES.items() if scope in held} for scope in scopes.MEANINGS}
    assert told == having


def test_every_role_is_in_the_table():
    assert _first_column(SECRETS, "role") == list(secrets.ROLES)


def test_every_limit_is_in_the_table_with_its_value_for_each_plan():
    told = {
        name: tuple(_number(cell, index) for cell in row[1:4])
        for row in pages.table(HTTP, "limit", *plans.PLANS)
        for index, name in enumerate(pages.code(row[0]))
    }
    assert told == {name: tuple(getattr(limits, name) for limits in plans.PLANS.values()) for name in plans.NAMES}


def _number(cell: str, index: int) -> int:
    """Read one of a cell's numbers (``10, 20``); ``unlimited`` stands for all of them."""
    written = cell.split(", ")[index] if ", " in cell else cell
    return plans.UNLIMITED if written == "unlimited" else int(written.replace(",", ""))


def test_every_status_and_reason_is_in_the_tables():
    assert _first_column(CONCEPTS, "status") == list(Status)
    assert _first_column(CONCEPTS, "`waiting_reason`") == list(WaitingReason)


def test_every_option_of_a_task_type_is_in_the_table():
    made = {"function", "payload", "validator", "submit_validator", "result", "summary"}
    declared = {field.name for field in fields(TaskType)} - made
    assert {pages.code(row[0])[0] for row in pages.table(TASK_TYPES, "option")} == declared


def test_the_tries_of_a_delivery_are_those_of_the_schedule():
    (row,) = pages.table(WEBHOOKS, "attempt")
    seconds = {"s": 1, "min": 60, "h": 3600}
    delays = [cell.split() for cell in row[2:]]
    assert tuple(float(number) * seconds[unit] for number, unit in delays) == retry_schedule.DELAYS


def _commands() -> list[list[str]]:
    groups = vars(typer.main.get_command(admin))["commands"].items()
    inner = {name: list(getattr(command, "commands", ())) for name, command in groups}
    return [words for name, subs in inner.items() for words in ([[name, sub] for sub in subs] or [[name]])]


def test_every_command_of_the_operator_is_in_the_table():
    told = [re.split(r" [A-Z-]{2}", line)[0].split()[1:] for line in _first_column(COMMANDS, "command", "does")]
    assert sorted(told) == sorted(_commands())


def test_every_command_that_a_page_names_is_there(tmp_path: Path):
    calls = re.compile(r"(?:scripts/admin|-m app\.admin) ([a-z-]+)(?: ([a-z-]+))?")
    groups = {words[0] for words in _commands() if len(words) > 1}
    named = {match.groups() for page in pages.pages() for match in calls.finditer(page.read_text())}
    asked = [[first, second] if first in groups and second else [first] for first, second in named]
    program = """if True:
        import json, sys
        from typer.testing import CliRunner
        from app.admin.commands import app
        for words in json.load(sys.stdin):
            done = CliRunner().invoke(app, [*words, "--help"])
            assert done.exit_code == 0, (words, done.output)
    """
    settings = {
        "DATABASE_URL": "postgresql://localhost/none",
        "REDIS_URL": "redis://localhost",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(asked), text=True, capture_output=True, check=False,
        cwd=tmp_path, env=settings, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(asked) > 10


def test_the_exit_codes_are_those_of_the_commands():
    told = [int(row[0]) for row in pages.table(COMMANDS, "exit code")]
    assert told == [
        0,
        1,
        2,
        cli_runtime.NOT_FOUND,
        cli_runtime.CONFLICT,
        cli_runtime.REFUSED,
        cli_runtime.DATABASE_AWAY,
    ]


@pytest.mark.parametrize(
    ("message", "path", "function"),
    [
        ("request", "app/http/request_log.py", "_facts"),
        ("attempt", "app/tasks/run/after_commit.py", "_facts"),
        ("delivery", "app/webhooks/delivery/attempt.py", "record"),
        ("http request", "app/http_requests/requester.py", "_log_answer"),
        ("pruned", "app/dispatch/pruner.py", "tick"),
    ],
)
def test_the_fields_of_a_log_line_are_those_that_are_logged(message: str, path: str, function: str):
    row = next(row for row in pages.table(HEALTH, "message", "from") if row[0] == f"`{message}`")
    named = [node for node in ast.walk(ast.parse((ROOT / path).read_text())) if getattr(node, "name", None) == function]
    keys = [key for node in ast.walk(named[0]) if isinstance(node, ast.Dict) for key in node.keys]
    assert set(pages.code(row[2])) == {key.value for key in keys if isinstance(key, ast.Constant)}
