"""``client.worker`` and ``tq work`` against the live stack: tasks of a tenant's own types."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.conftest import ROOT, Stack, Tenant, wait_until
from tests.docs import pages
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

    def run(*arguments: str) -> subprocess.Popen[str]:
        path = os.environ["PATH"]
        started.append(sdk.start(*arguments, TASK_QUEUE_URL=stack.url, TASK_QUEUE_KEY=worker_key, PATH=path))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def worker(start: Start, customer: Tenant, prefix: str) -> Start:
    """Return a starter of the blocking worker, whose types are declared."""
    for name in ("double", "fail", "until"):
        _declare(customer, f"{prefix}.{name}")

    def run(*, grace: float = 20, kind: str = "blocking") -> subprocess.Popen[str]:
        process = start(str(PROGRAMS / "worker.py"), kind, prefix, str(grace))
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
    process = worker()
    task_id = customer.submit(task=f"{prefix}.until", payload=str(tmp_path / "go"))
    assert line(process) == "began 1"
    process.terminate()
    later = customer.submit(task=f"{prefix}.double", payload={"n": 1})
    (tmp_path / "go").touch()
    assert rest(process) == ["ended"]
    assert customer.result(task_id)["result"] == "done"
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


def test_a_key_without_the_scope_ends_the_worker(sdk: Sdk, stack: Stack, customer: Tenant):
    wanted = {"name": "reads", "scopes": ["tasks:read"]}
    key = customer.client.post("/api/keys", json=wanted).json()["api_key"]
    program = str(PROGRAMS / "worker.py")
    process = sdk.start(program, "blocking", "none", "0", TASK_QUEUE_URL=stack.url, TASK_QUEUE_KEY=key)
    _, errors = process.communicate(timeout=40)
    assert process.returncode == 1
    assert "insufficient_scope" in errors
    assert key not in errors


def test_task_types_are_declared_and_deleted(sdk: Sdk, stack: Stack, worker_key: str, prefix: str):
    sdk.run("task_types", prefix, TASK_QUEUE_URL=stack.url, TASK_QUEUE_KEY=worker_key)
