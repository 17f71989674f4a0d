"""``client.worker`` and ``tq work`` against the live stack: tasks of a tenant's own types."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from tests.conftest import ROOT, Stack, Tenant, wait_until
from tests.docs import pages
from tests.faults.proxy import Proxy, Weather
from tests.sdk.conftest import PROGRAMS, Sdk

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module")
def customer(make_tenant: Callable[..., Tenant]) -> Tenant:
    """A tenant of this file's own."""
    return make_tenant("sdk-workers")


@pytest.fixture(scope="module")
def worker_key(customer: Tenant) -> str:
    """A key that may run tasks."""
    made = customer.client.post("/api/keys", json={"name": "worker", "scopes": ["tasks:work", "tasks:read"]})
    assert made.status_code == 201, made.text
    return str(made.json()["api_key"])


@pytest.fixture
def prefix() -> str:
    """The beginning of the names of a test's own types."""
    return f"w{uuid4().hex[:8]}"


@pytest.fixture
def start(sdk: Sdk, stack: Stack, worker_key: str) -> Iterator[Start]:
    """Return a starter of programs; what still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str, url: str = stack.url) -> subprocess.Popen[str]:
        path = os.environ["PATH"]
        started.append(sdk.start(*arguments, TASK_QUEUE_URL=url, TASK_QUEUE_KEY=worker_key, PATH=path))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def worker(start: Start, stack: Stack, customer: Tenant, prefix: str) -> Start:
    """Return a starter of the blocking worker, whose types are declared."""
    for name in ("double", "fail", "until"):
        _declare(customer, f"{prefix}.{name}")

    def run(*, grace: float = 20, kind: str = "blocking", url: str = stack.url) -> subprocess.Popen[str]:
        process = start(str(PROGRAMS / "worker.py"), kind, prefix, str(grace), url=url)
        assert line(process) == "ready"
        return process

    return run


def _declare(customer: Tenant, name: str, **values: Any) -> None:
    response = customer.client.put(f"/api/task-types/{name}", json={"retry_backoff": 0, "max_attempts": 2} | values)
    assert response.status_code in {200, 201}, response.text


def line(process: subprocess.Popen[str]) -> str:
    """Read the next line that it prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def rest(process: subprocess.Popen[str]) -> list[str]:
    """Wait for its end, which must be a good one; return its last lines."""
    out, errors = process.communicate(timeout=40)
    assert process.returncode == 0, out + errors
    return out.splitlines()


@pytest.mark.parametrize("kind", ["blocking", "concurrent"])
def test_tasks_run_and_a_worker_stops_when_it_is_asked_to(worker: Start, customer: Tenant, prefix: str, kind: str):
    process = worker(kind=kind)
    tasks = [customer.submit(task=f"{prefix}.double", payload={"n": n}) for n in range(5)]
    assert [customer.result(task)["result"]["n"] for task in tasks] == [0, 2, 4, 6, 8]
    process.terminate()
    assert rest(process) == ["ended"]


def test_a_handler_knows_its_task_and_reports(worker: Start, customer: Tenant, prefix: str):
    worker()
    task_id = customer.submit(task=f"{prefix}.double", payload={"n": 4})
    assert customer.result(task_id)["result"] == {"n": 8, "key": task_id, "id": task_id}
    assert customer.status(task_id)["progress"] == {"done": 1, "total": 2, "note": "half"}
    (logged,) = customer.client.get(f"/api/tasks/{task_id}/logs").json()["items"]
    assert (logged["message"], logged["fields"]) == ("doubling", {"n": 4})
    seen = {one["worker"]: one for one in customer.client.get("/api/work/workers").json()["items"]}
    assert seen["w-blocking"]["version"] == "7"


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        ("again", {"type": "LookupError", "message": "attempt 2", "attempt": 2}),
        ("for good", {"type": "Useless", "message": "no use", "attempt": 1}),
        ("not JSON", {"type": "TypeError", "message": "a object cannot be written as JSON", "attempt": 2}),
    ],
)
def test_an_exception_is_the_error_of_the_task(
    worker: Start, customer: Tenant, prefix: str, payload: str, error: dict[str, Any]
):
    worker()
    task_id = customer.submit(task=f"{prefix}.fail", payload=payload)
    ended = customer.result(task_id)
    assert (ended["status"], ended["error"]) == ("FAILURE", error)


def test_a_handler_hears_of_a_cancel(worker: Start, customer: Tenant, prefix: str, tmp_path: Path):
    process = worker()
    task_id = customer.submit(task=f"{prefix}.until", payload=str(tmp_path / "never"))
    assert line(process) == "began 1"
    customer.client.post(f"/api/tasks/{task_id}/cancel").raise_for_status()
    assert line(process) == "cancelled"
    assert customer.result(task_id)["status"] == "REVOKED"


def test_a_worker_that_is_stopped_lets_its_task_end_and_takes_no_other(
    worker: Start, customer: Tenant, prefix: str, tmp_path: Path
):
    process = worker(grace=60)
    task_id = customer.submit(task=f"{prefix}.until", payload=str(tmp_path / "go"))
    assert line(process) == "began 1"
    process.terminate()
    # Longer than its lease and the time in which an expired one is ended: the heartbeats go on.
    over = time.monotonic() + 15 + 4
    wait_until(lambda: time.monotonic() > over, "the time of a lease")
    later = customer.submit(task=f"{prefix}.double", payload={"n": 1})
    (tmp_path / "go").touch()
    assert rest(process) == ["ended"]
    assert customer.result(task_id)["result"] == "done"
    assert customer.status(task_id)["attempt"] == 1
    assert customer.status(later)["status"] == "PENDING"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_task_that_does_not_end_in_the_grace_is_given_back(
    worker: Start, customer: Tenant, prefix: str, tmp_path: Path, number: signal.Signals
):
    process = worker(grace=0)
    task_id = customer.submit(task=f"{prefix}.until", payload=str(tmp_path / "go"))
    assert line(process) == "began 1"
    process.send_signal(number)
    assert rest(process) == ["lost", "ended"]
    (tmp_path / "go").touch()
    again = worker()
    assert line(again).startswith("began")
    assert customer.result(task_id)["result"] == "done"


def test_the_task_of_a_killed_worker_is_run_by_another(worker: Start, customer: Tenant, prefix: str, tmp_path: Path):
    process = worker()
    task_id = customer.submit(task=f"{prefix}.until", payload=str(tmp_path / "go"))
    assert line(process) == "began 1"
    process.kill()
    process.wait()
    other = worker()
    (tmp_path / "go").touch()
    assert line(other).startswith("began")
    assert customer.result(task_id)["result"] == "done"


def test_the_worker_of_the_guide_runs(start: Start, customer: Tenant, tmp_path: Path):
    (program,) = pages.fences(ROOT / "docs" / "remote-workers.md", "python")
    assert len(program.text.splitlines()) <= 30
    (tmp_path / "worker.py").write_text(program.text)
    start(str(tmp_path / "worker.py"))
    wait_until(lambda: customer.client.get("/api/task-types/resize").is_success, "the task type of the guide")
    task_id = customer.submit(task="resize", payload={"image": "cat.png", "widths": [100, 200]})
    assert customer.result(task_id)["result"] == ["cat-100.png", "cat-200.png"]
    refused = customer.submit(task="resize", payload={"image": "cat.txt", "widths": []})
    assert customer.result(refused)["error"] == {"type": "NoImage", "message": "cat.txt is no image", "attempt": 1}


@pytest.fixture
def works(start: Start, customer: Tenant, prefix: str) -> Start:
    """Return a starter of ``tq work`` for a type with a shell command."""
    _declare(customer, f"{prefix}.shell")

    def run(script: str, *options: str) -> subprocess.Popen[str]:
        arguments = ("work", "--task", f"{prefix}.shell", *options, "--", "sh", "-c", script)
        process = start("-m", "task_queue_client.cli", *arguments)
        assert process.stderr is not None
        assert "works for" in process.stderr.readline()
        return process

    return run


@pytest.mark.parametrize(
    ("script", "result"),
    [
        ("cat", {"n": 1, "text": "ü"}),
        ("echo plain; echo text", "plain\ntext"),
        ("true", None),
        ('echo "$TASK_ATTEMPT"', 1),
        ("echo NaN", "NaN"),
    ],
)
def test_a_shell_command_runs_a_task(works: Start, customer: Tenant, prefix: str, script: str, result: Any):
    process = works(script, "--concurrency", "2")
    task_id = customer.submit(task=f"{prefix}.shell", payload={"n": 1, "text": "ü"})
    assert customer.result(task_id)["result"] == result
    process.terminate()
    rest(process)


@pytest.mark.parametrize(
    ("script", "message", "attempt"),
    [
        ("echo no disk >&2; exit 75", "exit status 75: no disk", 2),
        ("echo bad >&2; echo input >&2; exit 3", "exit status 3: bad\ninput", 1),
        ("kill -9 $$", "exit status -9: ", 1),
    ],
)
def test_the_exit_status_of_a_command_decides(
    works: Start, customer: Tenant, prefix: str, script: str, message: str, attempt: int
):
    works(script)
    task_id = customer.submit(task=f"{prefix}.shell")
    assert customer.result(task_id)["error"] == {"type": "CommandFailed", "message": message, "attempt": attempt}


def test_long_complaints_of_a_command_keep_their_end(works: Start, customer: Tenant, prefix: str):
    works("seq 10000 >&2; exit 1")
    message = customer.result(customer.submit(task=f"{prefix}.shell"))["error"]["message"]
    assert message.startswith("exit status 1: …")
    assert message.endswith("9999\n10000")
    assert len(message) <= 2_000


def test_a_command_is_stopped_with_all_its_processes(works: Start, customer: Tenant, prefix: str, tmp_path: Path):
    pid = tmp_path / "pid"
    works(f"sleep 1000 & echo $! > {pid}.new; mv {pid}.new {pid}; wait", "--lease-seconds", "15")
    task_id = customer.submit(task=f"{prefix}.shell")
    wait_until(pid.exists, "the command")
    customer.client.post(f"/api/tasks/{task_id}/cancel").raise_for_status()
    assert customer.result(task_id)["status"] == "REVOKED"
    wait_until(lambda: not _lives(int(pid.read_text())), "the end of its processes")


def test_a_command_that_outlives_the_grace_is_stopped_and_its_task_waits_again(
    works: Start, customer: Tenant, prefix: str, tmp_path: Path
):
    pid = tmp_path / "pid"
    process = works(f"sleep 1000 & echo $! > {pid}.new; mv {pid}.new {pid}; wait", "--grace", "0")
    task_id = customer.submit(task=f"{prefix}.shell")
    wait_until(pid.exists, "the command")
    process.terminate()
    rest(process)
    wait_until(lambda: not _lives(int(pid.read_text())), "the end of its processes")
    assert customer.status(task_id)["status"] in {"PENDING", "RETRY"}


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_key_without_the_scope_ends_the_worker(sdk: Sdk, stack: Stack, customer: Tenant):
    wanted = {"name": "reads", "scopes": ["tasks:read"]}
    key = customer.client.post("/api/keys", json=wanted).json()["api_key"]
    program = str(PROGRAMS / "worker.py")
    process = sdk.start(program, "blocking", "none", "0", TASK_QUEUE_URL=stack.url, TASK_QUEUE_KEY=key)
    _, errors = process.communicate(timeout=40)
    assert process.returncode == 1
    assert "insufficient_scope" in errors
    assert key not in errors


def test_a_worker_that_was_stopped_for_too_long_hears_that_its_lease_is_lost(
    worker: Start, customer: Tenant, prefix: str, tmp_path: Path
):
    process = worker()
    task_id = customer.submit(task=f"{prefix}.until", payload=str(tmp_path / "go"))
    assert line(process) == "began 1"
    process.send_signal(signal.SIGSTOP)
    other = worker()
    assert line(other).startswith("began")
    process.send_signal(signal.SIGCONT)
    # Its call that waited may have got the task again meanwhile: then it begins once more with a lease that has ended.
    while (said := line(process)) != "lost":
        assert said.startswith("began")
    assert customer.status(task_id)["status"] == "STARTED"
    (tmp_path / "go").touch()
    assert customer.result(task_id)["result"] == "done"
    process.terminate()
    assert rest(process)[-1] == "ended"


def test_a_worker_outlives_a_service_that_is_away(
    worker: Start, stack: Stack, customer: Tenant, prefix: str, tmp_path: Path
):
    with closing(Proxy(urlsplit(stack.url).port or 0)) as proxy:
        process = worker(url=f"http://127.0.0.1:{proxy.port}")
        first = customer.submit(task=f"{prefix}.until", payload=str(tmp_path / "go"))
        assert line(process) == "began 1"
        proxy.weather = Weather(is_refusing=True)
        proxy.reset_all()
        second = customer.submit(task=f"{prefix}.double", payload={"n": 1})
        (tmp_path / "go").touch()
        assert process.stderr is not None
        assert "no answer about new tasks" in process.stderr.readline()
        assert customer.status(first)["status"] == "STARTED"
        proxy.clear()
        assert customer.result(first)["result"] == "done"
        assert customer.result(second)["result"]["n"] == 2
        process.terminate()
        assert rest(process) == ["ended"]


def test_a_command_that_is_not_there_is_a_mistake(start: Start, prefix: str):
    process = start("-m", "task_queue_client.cli", "work", "--task", f"{prefix}.shell", "--", "no-such-command")
    _, errors = process.communicate(timeout=40)
    assert (process.returncode, errors) == (2, "tq: there is no command no-such-command\n")


def test_task_types_are_declared_and_deleted(sdk: Sdk, stack: Stack, worker_key: str, prefix: str):
    sdk.run("task_types", prefix, TASK_QUEUE_URL=stack.url, TASK_QUEUE_KEY=worker_key)
