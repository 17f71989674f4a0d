"""Waiting for a result."""

import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import Stack, Tenant, wait_until
from tests.tasks.test_operations import routed  # noqa: F401 an api of the same stack without its dispatcher


def _log_of(stack: Stack, name: str, request_id: str) -> dict[str, Any] | None:
    lines = Path(stack.folder / f"{name}.log").read_text().splitlines()
    found = [json.loads(line) for line in lines if request_id in line and line.startswith("{")]
    return found[0] if found else None


@pytest.mark.parametrize("name", ["api", "api-routed"])
def test_a_wait_whose_client_has_gone_ends_at_once(
    stack: Stack, acme: Tenant, request: pytest.FixtureRequest, name: str
):
    url = urlsplit(request.getfixturevalue("routed") if name == "api-routed" else stack.url)
    task_id, request_id = acme.submit(task="echo", delay_seconds=3600), f"gone-{name}"
    with socket.create_connection((url.hostname or "", url.port or 0)) as client:
        head = f"GET /api/tasks/{task_id}/result?wait=30 HTTP/1.1\r\nHost: api\r\nX-Request-ID: {request_id}\r\n"
        client.sendall(f"{head}Authorization: Bearer {acme.api_key}\r\n\r\n".encode())
    wait_until(lambda: _log_of(stack, name, request_id) is not None, "the end of the wait", seconds=15)
    logged = _log_of(stack, name, request_id)
    assert logged is not None
    assert (logged["status"], logged["duration_ms"] < 15_000) == (499, True)


def test_a_wait_is_answered_when_its_time_is_over(acme: Tenant):
    task_id = acme.submit(task="echo", delay_seconds=3600)
    for seconds in ("0", "0.1", "1"):
        answer = acme.client.get(f"/api/tasks/{task_id}/result", params={"wait": seconds})
        assert (answer.status_code, answer.json()["status"]) == (202, "PENDING")
