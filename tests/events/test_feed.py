"""The feed while processes stop, and with a client that does not read."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from scripts.stack import ports
from tests.conftest import Stack, Tenant, wait_until
from tests.events.conftest import streaming

FUTURE = {"task": "echo", "delay_seconds": 3600}


@pytest.fixture
def tenant(make_tenant: Callable[..., Tenant]) -> Tenant:
    """A tenant of the test's own, whose calls go to the api of the whole stack."""
    return make_tenant(f"feed-{time.time_ns()}")


class Api:
    """An api process of the test's own, which it may stop."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._port = ports.free_port()
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self, **settings: str) -> None:
        self._stack.start(
            "api-feed", "uvicorn", "app.main:app", "--port", str(self._port), "--http",
            "app.http.protocol_limits:GuardedProtocol", "--no-access-log", "--timeout-graceful-shutdown", "10", **settings,
        )  # fmt: skip
        wait_until(self._is_up, "an api process")

    def _is_up(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz").status_code == 200
        except httpx.HTTPError:
            return False

    def end(self, with_signal: signal.Signals) -> int:
        """End the process; return its exit code."""
        process = self._stack.processes.pop("api-feed")
        os.kill(process.pid, with_signal)
        return process.wait(30)


@pytest.fixture
def api(stack: Stack) -> Iterator[Api]:
    made = Api(stack)
    made.start()
    yield made
    if "api-feed" in stack.processes:
        stack.stop("api-feed")


def _ended(tenant: Tenant, count: int) -> list[str]:
    made = [tenant.submit(**FUTURE) for _ in range(count)]
    for task_id in made:
        assert tenant.client.post(f"/api/tasks/{task_id}/cancel").status_code == 200
    return made


def _told(items: list[dict]) -> list[str]:
    return [item["data"]["task_id"] for item in items]


def test_a_process_that_is_killed_and_started_again_loses_and_repeats_nothing(api: Api, tenant: Tenant):
    with streaming(api.url, tenant.api_key) as stream:
        made = _ended(tenant, 3)
        stream.wait_for(2)
        assert api.end(signal.SIGKILL) == -signal.SIGKILL
        wait_until(lambda: stream.has_ended, "the end of a stream")
    seen = _told(stream.events)
    made += _ended(tenant, 3)
    api.start()
    with streaming(api.url, tenant.api_key, headers={"Last-Event-ID": stream.last_id or ""}) as again:
        seen += _told(again.wait_for(len(made) - len(seen)))
    assert seen == made


def test_a_process_that_stops_ends_its_streams_in_order(api: Api, tenant: Tenant):
    task_id = tenant.submit(**FUTURE)
    with (
        streaming(api.url, tenant.api_key) as feed,
        streaming(api.url, tenant.api_key, f"/api/tasks/{task_id}/events") as task,
    ):
        wait_until(lambda: bool(feed.last_id and task.last_id), "open streams")
        # If streams had to be cut, uvicorn would wait for them first.
        assert api.end(signal.SIGTERM) in {0, -signal.SIGTERM}
        for stream in (feed, task):
            wait_until(lambda stream=stream: stream.has_ended, "the end of a stream")
            assert stream.error is None


def test_without_redis_a_stream_sends_what_happens(api: Api, stack: Stack, tenant: Tenant):
    api.end(signal.SIGTERM)
    api.start(REDIS_URL="redis://127.0.0.1:1/0")
    with streaming(api.url, tenant.api_key) as stream:
        wait_until(lambda: stream.last_id is not None, "the place of a stream")
        made = _ended(tenant, 3)
        assert _told(stream.wait_for(3)) == made
        task_id = tenant.submit(**FUTURE)
        with streaming(api.url, tenant.api_key, f"/api/tasks/{task_id}/events") as task:
            tenant.client.post(f"/api/tasks/{task_id}/cancel").raise_for_status()
            wait_until(lambda: task.has_ended, "the end of a task")
        assert [item["type"] for item in task.events] == ["task.created", "task.revoked"]


def test_a_client_that_does_not_read_is_let_go_and_resumes(api: Api, tenant: Tenant):
    port = urlsplit(api.url).port
    tags = [f"{number}{'x' * 60}" for number in range(10)]
    tasks = {"tasks": [FUTURE | {"tags": tags}] * 500}
    slow = socket.socket()
    # Little of what is sent waits on the client's side.
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect(("127.0.0.1", port))
    start = tenant.client.get("/api/events").json()["next_cursor"]
    head = f"GET /api/events?after={start} HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n"
    slow.sendall(f"{head}Authorization: Bearer {tenant.api_key}\r\n\r\n".encode())
    made: list[str] = []
    for _ in range(2):
        outcomes = tenant.client.post("/api/tasks/batch", json=tasks).json()["outcomes"]
        made += [outcome["task_id"] for outcome in outcomes]
    with streaming(api.url, tenant.api_key) as other:
        for task_id in made:
            assert tenant.client.post(f"/api/tasks/{task_id}/cancel").status_code == 200
        # Another stream of the tenant does not wait for the slow one.
        assert _told(other.wait_for(len(made))) == made
    wait_until(lambda: _is_closed(slow), "the end of a stream that nobody reads")
    slow.close()


def _is_closed(sock: socket.socket) -> bool:
    sock.settimeout(0)
    try:
        sock.send(b" ")
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        sock.settimeout(None)
    return False
