"""Workers that are stopped, killed and paused lose nothing."""

import os
import signal
import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from app.worker import process_tree
from tests.conftest import Stack, Tenant, wait_until


@pytest.fixture
def lone_worker(stack: Stack) -> Iterator[Stack]:
    """Leave the test without a worker, to start its own; put the usual one back."""
    stack.stop("worker")
    stack.wait_for_workers(0)
    yield stack
    for name in [name for name in stack.processes if name.startswith("worker")]:
        stack.stop(name)
    stack.start_worker()
    stack.wait_for_workers(1)


def _start(tenant: Tenant, seconds: int, **options: int) -> str:
    task_id = tenant.submit(task="test.sleep", payload={"a": seconds, "b": 0}, **options)
    wait_until(lambda: tenant.status(task_id)["status"] == "STARTED", "the start")
    return task_id


def _attempts(tenant: Tenant, task_id: str) -> list[str]:
    return [attempt["status"] for attempt in tenant.client.get(f"/api/tasks/{task_id}").json()["attempts"]]


def test_a_stopped_worker_lets_its_tasks_end(lone_worker: Stack, acme: Tenant):
    lone_worker.start_worker("worker1")
    task_id = _start(acme, 2)
    began = time.monotonic()
    lone_worker.stop("worker1")
    assert time.monotonic() - began < 15
    assert acme.status(task_id)["status"] == "SUCCESS"
    assert _attempts(acme, task_id) == ["SUCCESS"]


def test_what_a_stopped_worker_cannot_end_is_given_back_uncounted(lone_worker: Stack, acme: Tenant):
    lone_worker.start_worker("worker1", WORKER_DRAIN_SECONDS="0.5")
    task_id = _start(acme, 4, max_attempts=1)
    lone_worker.stop("worker1")
    assert _attempts(acme, task_id) == ["RETURNED"]
    lone_worker.start_worker("worker2")
    assert acme.result(task_id)["status"] == "SUCCESS"
    assert _attempts(acme, task_id) == ["RETURNED", "SUCCESS"]


def test_what_code_has_started_ends_with_a_stopped_worker(lone_worker: Stack, acme: Tenant):
    lone_worker.start_worker("worker1", WORKER_DRAIN_SECONDS="0.5")
    task_id = acme.submit(task="test.wedge.waits_for_processes", payload={"a": 305, "b": 0})
    wait_until(lambda: acme.status(task_id)["progress"] is not None, "the processes")
    progress = acme.status(task_id)["progress"]
    lone_worker.stop("worker1")
    pids = int(progress["done"]), int(progress["total"])
    assert [pid for pid in pids if process_tree.stat(pid).state != "X"] == []
    assert acme.client.post(f"/api/tasks/{task_id}/cancel").status_code in {200, 202}


def test_a_worker_that_is_told_twice_gives_back_at_once(lone_worker: Stack, acme: Tenant):
    lone_worker.start_worker("worker1")
    task_id = _start(acme, 4)
    worker = lone_worker.processes["worker1"]
    worker.terminate()
    os.kill(worker.pid, signal.SIGQUIT)
    worker.wait(15)
    assert _attempts(acme, task_id) == ["RETURNED"]
    lone_worker.start_worker("worker2")
    assert acme.result(task_id)["status"] == "SUCCESS"


def test_the_tasks_of_a_killed_worker_run_on_another_within_20_seconds(lone_worker: Stack, acme: Tenant):
    lone_worker.start_worker("worker1")
    # Longer than a second worker takes to start, on however slow a machine.
    task_id = _start(acme, 10, max_attempts=1)
    lone_worker.start_worker("worker2")
    lone_worker.wait_for_workers(2)
    killed = lone_worker.processes.pop("worker1")
    killed.kill()
    killed.wait()
    killed_at = acme.client.get(f"/api/tasks/{task_id}").json()["attempts"][0]["started_at"]
    assert acme.result(task_id)["status"] == "SUCCESS"
    assert _attempts(acme, task_id) == ["LOST", "SUCCESS"]
    second = acme.client.get(f"/api/tasks/{task_id}").json()["attempts"][1]["started_at"]
    assert (datetime.fromisoformat(second) - datetime.fromisoformat(killed_at)).total_seconds() < 25


def test_a_paused_worker_that_comes_back_writes_nothing(lone_worker: Stack, acme: Tenant):
    lone_worker.start_worker("worker1")
    task_id = _start(acme, 8)
    paused = lone_worker.processes["worker1"]
    os.killpg(paused.pid, signal.SIGSTOP)
    try:
        lone_worker.start_worker("worker2")
        wait_until(lambda: acme.status(task_id)["attempt"] == 2, "the second attempt", seconds=30)
    finally:
        os.killpg(paused.pid, signal.SIGCONT)
    assert acme.result(task_id)["result"] == 2
    assert _attempts(acme, task_id) == ["LOST", "SUCCESS"]
