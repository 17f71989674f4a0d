"""Both clients survive what networks and restarts do: an api of its own is killed, cut off and overrun."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from scripts.stack import ports
from tests.conftest import Stack, Tenant, wait_until
from tests.faults.proxy import Proxy, Weather
from tests.sdk.conftest import Sdk
from tests.sdk.node import NodeSdk

NAME = "api-of-sdk"


@dataclass
class Api:
    """An api process that can be killed, and a proxy in front of it."""

    stack: Stack
    port: int
    proxy: Proxy
    database: Proxy
    """Between it and Postgres."""

    @property
    def database_url(self) -> str:
        """The database by way of the proxy."""
        url = urlsplit(self.stack.environment["DATABASE_URL"])
        return url._replace(netloc=f"{url.netloc.rpartition(':')[0]}:{self.database.port}").geturl()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.stack.start(
            NAME, "uvicorn", "app.main:app", "--port", str(self.port), "--http", "app.http.protocol_limits:GuardedProtocol",
            "--timeout-keep-alive", "75", "--no-access-log", DATABASE_URL=self.database_url,
        )  # fmt: skip
        wait_until(self._answers, "an api")

    def _answers(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/healthz", trust_env=False).status_code == HTTPStatus.OK
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        """Kill it, with no chance to say anything."""
        process = self.stack.processes.pop(NAME)
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def api(stack: Stack) -> Iterator[Api]:
    """Run it for this file."""
    port = ports.free_port()
    made = Api(stack, port, Proxy(port), Proxy(urlsplit(stack.environment["DATABASE_URL"]).port or 0))
    made.start()
    yield made
    made.kill()
    made.proxy.close()
    made.database.close()


@pytest.fixture(scope="module")
def customer(make_tenant: Callable[..., Tenant]) -> Tenant:
    """A tenant of this file's own."""
    return make_tenant("survivor")


@dataclass
class Running:
    """A program that runs."""

    process: subprocess.Popen[str]

    def until(self, start: str) -> list[str]:
        """Read its lines up to one that begins so; return them."""
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line.strip())
            if line.startswith(start):
                return lines
        raise AssertionError(f"it ended before {start!r}: {lines} {self.process.communicate()[1]}")

    def rest(self) -> list[str]:
        """Wait for its end; return its last lines."""
        out, errors = self.process.communicate(timeout=90)
        assert self.process.returncode == 0, out + errors
        return out.splitlines()


@pytest.fixture
def run(client: Sdk | NodeSdk, api: Api, customer: Tenant) -> Iterator[Callable[..., Running]]:
    """Return a starter of programs that reach the api through the proxy."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, key: str = customer.api_key) -> Running:
        url = f"http://127.0.0.1:{api.proxy.port}"
        started.append(client.start(client.program("survivor"), *arguments, TASK_QUEUE_URL=url, TASK_QUEUE_KEY=key))
        return Running(started[-1])

    yield start
    api.proxy.clear()
    for process in started:
        process.kill()
        process.communicate()


Run = Callable[..., Running]


def test_an_api_that_is_killed_in_mid_wait(run: Run, api: Api, tmp_path: Path):
    program = run("wait", str(tmp_path / "go"))
    (*_, asked) = program.until("sent /api/tasks/0")
    assert asked.endswith("/result")
    api.kill()
    program.until("sent /api/tasks/0")
    api.start()
    (tmp_path / "go").touch()
    assert program.rest()[-1] == "result 1"


def test_an_api_that_is_killed_in_mid_stream(run: Run, api: Api, tmp_path: Path):
    program = run("stream", str(tmp_path / "go"))
    seen = program.until("task.log line 2")
    api.kill()
    seen += program.until("sent /api/tasks/0")
    api.start()
    api.proxy.reset_all()
    (tmp_path / "go").touch()
    seen += program.rest()
    told = [line for line in seen if line.startswith(("task.", "attempt.", "feed"))]
    logged = [line for line in told if line.startswith("task.log")]
    assert logged[:4] == ["task.log line 0", "task.log line 1", "task.log line 2", "task.log a warning"]
    assert len(set(logged)) == len(logged)
    assert [line.strip() for line in told if line not in logged] == [
        "task.created", "attempt.started", "attempt.ended", "task.succeeded", "feed task.succeeded",
    ]  # fmt: skip


@pytest.mark.parametrize("call", ["/submit", "/batch", "/retry"])
def test_a_submit_whose_answer_is_lost_with_its_api_makes_one_task(run: Run, api: Api, customer: Tenant, call: str):
    tag, cuts = f"once-{uuid4()}", api.proxy.cuts
    api.proxy.weather = Weather(cut_at=f"{call} HTTP".encode())
    program = run("submit", tag)
    wait_until(lambda: api.proxy.cuts > cuts, "a submit that has lost its answer")
    api.kill()
    api.proxy.clear()
    api.start()
    ids = program.until("ids")[-1].split()[1:]
    listed = customer.client.get("/api/tasks", params={"tag": tag}).json()["items"]
    assert sorted(item["task_id"] for item in listed) == sorted(ids)
    assert len(set(ids)) == 3


def test_a_rate_limit_is_waited_for(
    run: Run,
    make_tenant: Callable[..., Tenant],
    admin: Callable[..., subprocess.CompletedProcess[str]],
):
    slow = make_tenant(f"slow-sdk-{uuid4().hex[:8]}")
    admin("tenant", "set-limit", slow.slug, "requests_per_second=4", "burst=2").check_returncode()
    lines = run("calls", "6", key=slow.api_key).rest()
    assert "answered 429" in lines
    assert lines[-1] == "answers 6"


def test_a_service_that_is_unavailable_for_a_time_is_waited_for(run: Run, api: Api):
    api.database.weather = Weather(is_refusing=True)
    api.database.reset_all()
    try:
        program = run("calls", "2")
        program.until("answered 503")
    finally:
        api.database.clear()
    assert program.rest()[-1] == "answers 2"


def test_a_proxy_that_cuts_idle_connections(run: Run, api: Api):
    cuts = api.proxy.cuts
    api.proxy.weather = Weather(idle_seconds=0.6)
    lines = run("idle", "2").rest()
    assert [line for line in lines if not line.startswith(("sent", "answered"))] == [
        "result 1", "feed task.succeeded", "events task.succeeded",
    ]  # fmt: skip
    assert api.proxy.cuts > cuts
