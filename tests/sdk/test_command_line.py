"""``tq`` against the live stack, as the wheel installs it."""

import importlib.metadata
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from app.webhooks.schemas import TaskEvent
from tests.conftest import Stack, Tenant
from tests.sdk.conftest import Sdk
from tests.webhooks.receiver import Receiver


@pytest.fixture(scope="module")
def customer(make_tenant: Callable[..., Tenant]) -> Tenant:
    """A tenant of this file's own."""
    return make_tenant("tq")


@pytest.fixture
def start(sdk: Sdk, stack: Stack, customer: Tenant) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return a starter of ``tq``; what still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        settings = {"TASK_QUEUE_URL": stack.url, "TASK_QUEUE_KEY": customer.api_key} | environment
        started.append(sdk.start("-m", "task_queue_client.cli", *arguments, **settings))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


Tq = Callable[..., tuple[int, str, str]]
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def tq(start: Start) -> Tq:
    """Return what runs ``tq`` to its end: the exit status, what it printed, and its complaints."""

    def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
        process = start(*arguments, **environment)
        out, errors = process.communicate(timeout=60)
        return process.returncode, out, errors

    return run


def test_the_wheel_has_the_command(sdk: Sdk):
    (distribution,) = importlib.metadata.distributions(path=[str(sdk.installed)])
    (script,) = distribution.entry_points.select(group="console_scripts")
    assert (script.name, script.value) == ("tq", "task_queue_client.cli:run")


def test_a_task_from_submit_to_its_log(tq: Tq, tmp_path: Path):
    (tmp_path / "payload.json").write_text('{"lines": 2}')
    status, out, errors = tq("submit", "test.logs", f"@{tmp_path / 'payload.json'}", "--tag", "cli", "--wait", "30")
    assert status == 0, errors
    task_id, result = out.split()
    assert result == "1"
    assert json.loads(tq("status", task_id)[1])["status"] == "SUCCESS"
    assert tq("result", task_id)[:2] == (0, "1\n")
    stored, followed = tq("logs", task_id), tq("logs", "-f", task_id)
    assert stored == followed
    assert "INFO attempt 1: line 0\n" in stored[1]
    assert 'WARNING attempt 1: a warning {"row": 7}\n' in stored[1]
    (event,) = map(json.loads, tq("events", "--tag", "cli")[1].splitlines())
    assert (event["type"], event["data"]["task_id"]) == ("task.succeeded", task_id)
    again = [tq("submit", "echo", "1", "--key", "cli-1", "--priority", "9", "--delay", "0.1")[1] for _ in range(2)]
    assert again[0] == again[1]


def test_a_schedule_is_put_listed_triggered_paused_and_deleted(tq: Tq):
    values = '{"cron": "0 3 * * *", "task": "echo", "payload": 5}'
    status, out, _ = tq("schedules", "put", "tq-nightly", "--json", values)
    assert (status, json.loads(out)["description"]) == (0, "At 03:00 every day (UTC)")
    status, out, _ = tq("schedules")
    assert [line.split("\t")[:3] for line in out.splitlines()] == [["tq-nightly", "At 03:00 every day (UTC)", "echo"]]
    status, task_id, _ = tq("schedules", "trigger", "tq-nightly")
    assert tq("result", task_id.strip(), "--wait", "20")[:2] == (0, "5\n")
    status, out, _ = tq("schedules", "pause", "tq-nightly", "--note", "tonight")
    assert json.loads(out)["pause_note"] == "tonight"
    assert tq("schedules")[1].endswith("\tpaused\n")
    assert json.loads(tq("schedules", "resume", "tq-nightly")[1])["paused"] is False
    assert json.loads(tq("schedules", "show", "tq-nightly")[1])["last_fires"][0]["reason"] == "trigger"
    assert tq("schedules", "delete", "tq-nightly") == (0, "", "")
    assert tq("schedules") == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("show", "none"), 1, "there is no schedule none"),
        (("pause",), 2, "schedules pause needs the name"),
        (("put", "a"), 2, "needs --json with an object"),
        (("put", "a", "--json", "[1]"), 2, "needs --json with an object"),
        (("put", "a", "--json", '{"cron": "x", "task": "echo"}'), 1, "cron"),
    ],
)
def test_a_mistake_about_schedules_is_told_in_a_line(tq: Tq, arguments: tuple[str, ...], status: int, told: str):
    ended, out, errors = tq("schedules", *arguments)
    assert (ended, out) == (status, "")
    assert told in errors


def test_whoami_checks_the_key(tq: Tq, stack: Stack, customer: Tenant):
    status, out, errors = tq("whoami")
    assert status == 0, errors
    assert out.startswith(f"{stack.url}: the key is valid, plan enterprise\n")
    assert f"Tenant: tq ({customer.tenant_id})\n" in out
    assert f"Credential: api_key first ({customer.api_key.split('_')[2]})\n" in out
    assert "long_task" in out
    assert "  backlog: " in out


def test_whoami_works_with_a_key_that_may_only_submit(tq: Tq, customer: Tenant):
    wanted = {"name": "submits", "scopes": ["tasks:write"], "expires_days": 1}
    key = customer.client.post("/api/keys", json=wanted).json()["api_key"]
    status, out, errors = tq("whoami", TASK_QUEUE_KEY=key)
    assert status == 0, errors
    assert "Scopes: tasks:write\n" in out
    assert "valid until 20" in out
    assert "Task types" not in out


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("submit", "no.such.type"), 1, "`tq whoami` lists the task types"),
        (("submit", "long_task", '{"seconds": -1}'), 1, "#/payload/seconds"),
        (("submit", "echo", "hello"), 2, "A text needs quotes"),
        (("submit", "echo", "@/no/such/file"), 2, "No such file"),
        (
            ("submit", "long_task", '{"fail_attempts": 5, "seconds": 0}', "--wait", "60", "--attempts", "1"),
            1,
            "ended FAILURE",
        ),
        (("result", "019ab2c4-7c1e-7d3a-9b50-5f0c6b1f2a10"), 1, "404 not_found"),
        (("status", "4711"), 2, "'4711' is not an id"),
        (("listen", "--forward", "http://127.0.0.1:9", "--secret", "whsec_!"), 2, "secret"),
        (("events", "--after", "x"), 1, "invalid_cursor"),
        (("dance",), 2, "invalid choice"),
    ],
)
def test_each_mistake_is_told_in_a_line(tq: Tq, arguments: tuple[str, ...], status: int, told: str):
    found, _, errors = tq(*arguments)
    assert found == status, errors
    assert told in errors
    assert "Traceback" not in errors


def test_a_setting_that_is_missing_or_wrong_is_named(tq: Tq):
    assert "TASK_QUEUE_KEY" in tq("whoami", TASK_QUEUE_KEY="")[2]
    assert "TASK_QUEUE_URL" in tq("whoami", TASK_QUEUE_URL="")[2]
    status, _, errors = tq("whoami", TASK_QUEUE_KEY="tq_live_wrong")
    assert status == 1
    assert "unauthenticated" in errors
    assert "tq_live_wrong" not in errors


def test_events_are_followed_from_now_on(start: Start, customer: Tenant):
    process = start("events", "-f", "--tag", "followed")
    assert process.stderr is not None
    assert process.stdout is not None
    assert process.stderr.readline().startswith("tq: following")
    task_id = customer.submit(task="echo", payload=1, tags=["followed"])
    assert json.loads(process.stdout.readline())["data"]["task_id"] == task_id


def test_the_feed_is_relayed_as_signed_webhooks(start: Start, customer: Tenant):
    with closing(Receiver()) as receiver:
        process = start("listen", "--forward", f"{receiver.url}/hook")
        assert process.stdout is not None
        secret = process.stdout.readline().removeprefix("Webhook secret: ").strip()
        assert process.stdout.readline().startswith("Relaying ")
        done = customer.submit(task="echo", payload={"answer": "ü"}, tags=["relayed"])
        large = customer.submit(task="echo", payload="x" * 70_000)
        late = customer.submit(task="echo", payload=1, delay_seconds=3600)
        failed = customer.submit(task="long_task", payload={"fail_attempts": 1, "seconds": 0}, max_attempts=1)
        customer.client.post(f"/api/tasks/{late}/cancel").raise_for_status()
        told: dict[str, Any] = {}
        for request in receiver.wait_for("/hook", 4, 40):
            event = request.verify(secret)
            # The same as a webhook of the service, by the service's own description of it.
            TypeAdapter(TaskEvent).validate_python(event)
            told[event["data"]["task_id"]] = event
        assert told[done]["data"]["result"] == {"answer": "ü"}
        assert (told[large]["data"]["result"], told[large]["data"]["result_omitted"]) == (None, True)
        assert (told[late]["type"], told[failed]["type"]) == ("task.revoked", "task.failed")
        assert told[failed]["data"]["error"]["attempt"] == 1
        assert "answered 204" in process.stdout.readline()
