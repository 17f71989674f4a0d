"""What the processes write: JSON alone, from their first line to their last, which says who writes."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.stack import ports
from tests.conftest import ROOT, Servers, Stack, Tenant, wait_until


def lines(log: Path) -> list[dict[str, Any]]:
    """Return the lines of a log, each of which must be one JSON object."""
    return [json.loads(line) for line in log.read_text().splitlines()]


@pytest.fixture
def alone(environment: dict[str, str], tmp_path: Path) -> Stack:
    """Return a stack without processes, whose logs are its own."""
    return Stack("", environment, tmp_path, {})


API = ("uvicorn", "app.main:app", "--no-access-log", "--http", "app.http.protocol_limits:GuardedProtocol", "--port")


@pytest.mark.parametrize(
    ("service", "command", "ready"),
    [
        ("api", API, "Uvicorn running on %s"),
        ("dispatcher", ("app.dispatch",), "dispatcher"),
        ("webhooks", ("app.webhooks",), "webhooks are delivered"),
        ("http", ("app.http_requests",), "http requests are sent"),
    ],
)
def test_every_line_of_a_process_is_json_from_its_start_to_its_end(
    alone: Stack, tmp_path: Path, service: str, command: tuple[str, ...], ready: str
):
    log = tmp_path / f"{service}.log"
    alone.start(service, *command, *([str(ports.free_port())] if service == "api" else []))
    pid = alone.processes[service].pid
    wait_until(lambda: ready.removesuffix(" %s") in log.read_text(), f"a {service} that runs")
    alone.stop(service)
    found = lines(log)
    assert {(line["service"], line["host"], line["pid"]) for line in found} == {(service, socket.gethostname(), pid)}
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in found)


@pytest.mark.parametrize(("level", "attempts"), [("INFO", 1), ("WARNING", 0)])
def test_a_worker_writes_json_alone_and_obeys_its_loglevel(
    stack: Stack, acme: Tenant, alone: Stack, tmp_path: Path, level: str, attempts: int
):
    stack.stop("worker")
    stack.wait_for_workers(0)
    alone.start_worker("worker", "--loglevel", level)
    try:
        stack.wait_for_workers(1)
        task_id = acme.submit(task="echo", payload=1)
        acme.result(task_id)
    finally:
        alone.stop("worker")
        stack.start_worker()
        stack.wait_for_workers(1)
    found = lines(tmp_path / "worker.log")
    assert {line["service"] for line in found} <= {"worker"}
    assert len([line for line in found if line.get("task_id") == task_id and line["message"] == "attempt"]) == attempts


def test_a_trace_is_followed_from_the_request_to_the_attempt_and_the_tasks_own_lines(
    stack: Stack, servers: Servers, acme: Tenant
):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    response = acme.client.post(
        "/api/tasks/submit",
        json={"task": "test.log", "payload": {}},
        headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"},
    )
    task_id = response.json()["task_id"]
    acme.result(task_id)
    acme.client.get(f"/api/tasks/{task_id.upper()}")

    def of_task() -> list[dict[str, Any]]:
        # Other tests' task types print what they like.
        texts = [(servers.folder / f"{name}.log").read_text().splitlines() for name in ("api", "worker")]
        found = [json.loads(line) for text in texts for line in text if line.startswith("{")]
        return [line for line in found if line.get("task_id") == task_id]

    routes = {"/api/tasks/submit", "/api/tasks/{task_id}/result", "/api/tasks/{task_id}"}
    # A line is written a moment after its answer.
    wait_until(
        lambda: {line.get("route") for line in of_task() if line["message"] == "request"} == routes, "three requests"
    )
    of_trace = {line["message"] for line in of_task() if line.get("trace_id") == trace}
    assert of_trace == {"request", "attempt", "hello from the task"}


def test_what_is_no_id_in_a_path_stays_out_of_the_log(servers: Servers, acme: Tenant):
    acme.client.get("/api/tasks/not-an-id-at-all")
    acme.client.get("/api/tasks/not-an-id-at-all/status")
    assert "not-an-id-at-all" not in (servers.folder / "api.log").read_text()


def test_an_error_that_ends_a_process_is_a_line_of_json(tmp_path: Path):
    program = (
        "from app.core import logging; logging.configure('info', service='api'); raise RuntimeError('no \\n good')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    [line] = [json.loads(line) for line in done.stderr.splitlines()]
    assert (done.returncode, line["level"]) == (1, "CRITICAL")
    assert "RuntimeError: no" in line["traceback"]
