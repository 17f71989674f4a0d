"""What callers are told while Postgres or Redis do not answer, and that nothing of it lasts."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import psutil

from scripts.stack import embedded
from tests.conftest import Servers, Tenant, wait_until

_TASK = {"task": "echo", "payload": 1}
_BODIES = {"/api/tasks/submit": _TASK, "/api/tasks/batch": {"tasks": [_TASK] * 5}}


@contextmanager
def _frozen(pid: int) -> Iterator[None]:
    stopped = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    for process in stopped:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in stopped:
            if process.is_running():
                process.send_signal(signal.SIGCONT)


def _calls(tenant: Tenant, task_id: str) -> list[httpx.Response]:
    paths = [
        f"/api/tasks/{task_id}",
        f"/api/tasks/{task_id}/status",
        f"/api/tasks/{task_id}/result?wait=20",
        "/api/tasks",
    ]
    calls = (
        [("POST", "/api/tasks/submit")] * 8 + [("POST", "/api/tasks/batch")] * 2 + [("GET", path) for path in paths] * 4
    )
    calls.append(("POST", f"/api/tasks/{task_id}/cancel"))

    def call(method_and_path: tuple[str, str]) -> httpx.Response:
        method, path = method_and_path
        return tenant.client.request(method, path, json=_BODIES.get(path))

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(call, calls))


def _assert_refused(response: httpx.Response) -> None:
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert int(response.headers["Retry-After"]) > 0
    # Time enough for a busy machine to be late; without a bound it is as long as the server is frozen.
    assert response.elapsed.total_seconds() < 4


def test_while_postgres_is_frozen_every_call_is_refused_soon_and_afterwards_none(acme: Tenant, servers: Servers):
    task_id = acme.submit(task="echo", payload=1, delay_seconds=600)
    with _frozen(servers.postgres.pid):
        for _ in range(2):
            for response in _calls(acme, task_id):
                _assert_refused(response)
    wait_until(lambda: acme.client.get(f"/api/tasks/{task_id}").status_code == 200, "Postgres")
    accepted = [response for response in _calls(acme, task_id) if response.request.url.path in _BODIES]
    assert {response.status_code for response in accepted} == {202}
    stored = [task for response in accepted for task in response.json().get("outcomes", [response.json()])]
    assert len(stored) == 8 + 2 * 5
    for task in stored:
        assert acme.result(task["task_id"])["result"] == 1


def test_while_postgres_is_down_a_submit_is_refused_and_later_accepted(acme: Tenant, servers: Servers):
    running = acme.submit(task="test.sleep", payload={"a": 2, "b": 0})
    wait_until(lambda: acme.status(running)["status"] == "STARTED", "the start")
    embedded.kill(servers.postgres)
    _assert_refused(acme.client.post("/api/tasks/submit", json={"task": "echo"}))
    servers.postgres = embedded.start_postgres(servers.postgres.folder, port=servers.postgres.port)
    wait_until(
        lambda: acme.client.post("/api/tasks/submit", json={"task": "echo"}).status_code == 202, "Postgres", seconds=15
    )
    # Its worker has kept the outcome until it could be written.
    assert acme.result(running)["status"] == "SUCCESS"
    assert acme.status(running)["attempt"] == 1


def test_while_redis_is_frozen_submits_are_accepted_at_once(acme: Tenant, servers: Servers):
    os.kill(servers.valkey.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        task_ids = [acme.submit(task="echo", payload=n) for n in range(20)]
        assert time.monotonic() - began < 4
    finally:
        os.kill(servers.valkey.pid, signal.SIGCONT)
    assert [acme.result(task_id)["result"] for task_id in task_ids] == list(range(20))
