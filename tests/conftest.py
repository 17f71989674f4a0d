"""What the tests share: real servers of their own, and a stack that runs on them."""

import asyncio
import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import hypothesis
import pytest

from app.core import secrets
from scripts.stack import embedded, ports
from tests import distribution, log_scan, operator_commands, stack_state

ROOT = Path(__file__).parent.parent


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the state of the stack to the report of a test that failed on it, or waited for it in vain."""
    report = yield
    stack = getattr(item, "funcargs", {}).get("stack")
    if report.when != "teardown" and report.failed and isinstance(stack, Stack):
        pids = {name: process.pid for name, process in stack.processes.items()}
        report.sections.append(("state of the stack", stack_state.describe(stack.environment, pids, stack.folder)))
    return report


def pytest_unconfigure() -> None:
    operator_commands.end()


def pytest_configure(config: pytest.Config) -> None:
    """Let xdist hand out the files in the order that ``distribution`` gives them, and set Hypothesis up."""
    config.option.loadscopereorder = False
    # How long one example takes on a machine that does other things says nothing about the code.
    hypothesis.settings.register_profile("suite", deadline=None)
    hypothesis.settings.load_profile("suite")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the files where several processes share them; one alone runs them as pytest-randomly shuffled them."""
    if hasattr(config, "workerinput"):
        distribution.sort(items)


_RESTS = """
SELECT NOT EXISTS (SELECT FROM attempt WHERE finished_at IS NULL)
   AND NOT EXISTS (
       SELECT FROM backlog b JOIN tenant n ON n.id = b.tenant_id JOIN tenant_slots s ON s.tenant_id = n.id
       WHERE b.due_at <= now() AND b.pool = 'prefork' AND n.status = 'active' AND NOT n.queue_paused
         AND NOT n.queue_paused_by_tenant AND s.running_limit > 0
   )
   AND (SELECT array_agg((pool, slots)::text) FROM pool_slots) = '{"(prefork,2)"}'
"""


@dataclass
class Servers:
    """Postgres and Valkey of this run."""

    postgres: embedded.Server
    valkey: embedded.Server
    folder: Path


@dataclass
class Tenant:
    """A tenant with a key, and the calls it makes."""

    tenant_id: str
    slug: str
    api_key: str
    webhook_secret: str
    client: httpx.Client

    def submit(self, **body: Any) -> str:
        """Submit a task that must be accepted; return its id."""
        response = self.client.post("/api/tasks/submit", json=body)
        assert response.status_code == 202, response.text
        return str(response.json()["task_id"])

    def result(self, task_id: str) -> dict[str, Any]:
        """Wait for the task's end."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            response = self.client.get(f"/api/tasks/{task_id}/result", params={"wait": 20})
            if response.status_code == 200:
                return dict(response.json())
        raise AssertionError(f"{task_id} has not ended: {self.status(task_id)}")

    def status(self, task_id: str) -> dict[str, Any]:
        """Return where the task stands."""
        return dict(self.client.get(f"/api/tasks/{task_id}/status").json())


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Start Postgres and Valkey on ports of their own."""
    with log_scan.scratch_folder() as folder:
        postgres = embedded.start_postgres(folder / "postgres")
        yield Servers(postgres, embedded.start_valkey(folder / "valkey"), folder)


@pytest.fixture(scope="session")
def environment(servers: Servers) -> dict[str, str]:
    """Return the settings of this run, with roles made and migrations applied."""
    settings = os.environ | {
        "DATABASE_URL": servers.postgres.url,
        "REDIS_URL": servers.valkey.url,
        "SECRETS_FILE": str(servers.folder / "secrets.json"),
        "CLIENTS_FOLDER": str(servers.folder / "clients"),
        "GUIDE_FOLDER": str(servers.folder / "guide"),
        "TASK_MODULES": "tests.task_types,tests.wedges",
        "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
        "HTTP_REQUEST_ALLOWED_NETWORKS": "127.0.0.0/8",
        "PYTHONUNBUFFERED": "1",
    }
    for command in ("bootstrap", "migrate"):
        operator_commands.run(settings, command).check_returncode()
    return settings


@pytest.fixture(scope="session")
def admin(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return the operator's command line."""
    return functools.partial(operator_commands.run, environment)


@dataclass
class Stack:
    """The processes of the product, and how to start and stop each."""

    url: str
    environment: dict[str, str]
    folder: Path
    processes: dict[str, subprocess.Popen[bytes]]
    settings: dict[str, dict[str, str]] = field(default_factory=dict)
    """Those that were given to a process alone, by its name."""

    def start(self, name: str, *command: str, **extra: str) -> None:
        """Start a process under a name; its log is in the folder."""
        self.settings[name] = extra
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=ROOT,
                env=self.environment | extra,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start_worker(self, name: str = "worker", *options: str, **extra: str) -> None:
        """Start a worker of two slots, which has no key and no password but its own; ``extra`` are other settings."""
        self.start(
            name,
            "celery", "-A", "app.celery_app", "worker", "--pool", "prefork", "--concurrency", "2", "--without-gossip",
            "--without-mingle", "--without-heartbeat", "--loglevel", "INFO", "--hostname", f"{name}@test", *options,
            **(worker_environment(self.environment) | extra),
        )  # fmt: skip

    def stop(self, name: str) -> None:
        """Stop a process and wait for its end."""
        process = self.processes.pop(name)
        process.terminate()
        try:
            process.wait(50)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def crash(self, name: str) -> None:
        """Kill a process with its children, and start it again with the same command."""
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        # Without the interpreter and its -m.
        _, _, *command = process.args  # type: ignore[misc]
        self.start(name, *command, **self.settings[name])

    def wait_for_workers(self, count: int) -> None:
        """Wait until so many workers have said that they live."""
        wait_until(lambda: self._workers() == count, f"{count} workers")

    def _workers(self) -> int | None:
        try:
            return int(httpx.get(f"{self.url}/readyz", timeout=5).json()["workers"])
        except (httpx.HTTPError, KeyError):
            return None


def worker_environment(environment: dict[str, str]) -> dict[str, str]:
    """Return the settings that a worker with the operator's code has instead of those of other processes."""
    url = urlsplit(environment["DATABASE_URL"])
    return {
        "DATABASE_URL": url._replace(netloc=f"{url.hostname}:{url.port}").geturl(),
        "SECRETS_FILE": str(secrets.worker_path(Path(environment["SECRETS_FILE"]))),
    }


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 40) -> None:
    """Wait until a condition holds; fail with its name when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def stack(environment: dict[str, str], servers: Servers) -> Iterator[Stack]:
    """Run api, dispatcher and a worker for the whole run."""
    port = ports.free_port()
    made = Stack(f"http://127.0.0.1:{port}", environment, servers.folder, {})
    made.start(
        "api",
        "uvicorn",
        "app.main:app",
        "--port",
        str(port),
        "--http",
        "app.http.protocol_limits:GuardedProtocol",
        "--timeout-keep-alive",
        "75",
        "--no-access-log",
    )
    made.start("dispatcher", "app.dispatch")
    made.start_worker()
    try:
        made.wait_for_workers(1)
        yield made
    finally:
        for name in list(made.processes):
            made.stop(name)


@pytest.fixture(scope="session")
def operator_url(stack: Stack) -> Iterator[str]:
    """Run the operator's process on the stack; yield where it is."""
    url = f"http://127.0.0.1:{ports.free_port()}"
    stack.start("operator", "app.operator", "--port", url.rpartition(":")[2], "--console-url", stack.url)
    try:
        wait_until(lambda: _answers(f"{url}/sign-in"), "the operator's pages")
        yield url
    finally:
        stack.stop("operator")


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture
def quiet_stack(stack: Stack) -> Stack:
    """Wait until what earlier tests have left on the shared stack is over; return the stack.

    Nothing runs or is about to, and the dispatcher counts the two slots of the stack's own worker alone: a task that a test has left
    may run on, and a worker that it has killed counts until its heartbeat is 15 s old. Tests use this that depend on
    which slots are free. It does not make short again what the dispatcher has found to be a long task type: they run
    types that no other test makes long.
    """

    async def rests() -> bool:
        owner = await asyncpg.connect(stack.environment["DATABASE_URL"])
        try:
            return bool(await owner.fetchval(_RESTS))
        finally:
            await owner.close()

    # A busy machine takes longer to end what others have left, and the dispatcher to count again.
    wait_until(lambda: asyncio.run(rests()), "a stack on which nothing runs, with two slots", 80)
    return stack


@pytest.fixture(scope="session")
def make_tenant(
    stack: Stack, admin: Callable[..., subprocess.CompletedProcess[str]]
) -> Iterator[Callable[..., Tenant]]:
    """Return a maker of tenants: ``make_tenant("slug", plan="free")``."""
    clients: list[httpx.Client] = []

    def make(slug: str, plan: str = "enterprise") -> Tenant:
        done = admin("tenant", "create", slug, "--name", slug, "--plan", plan, "--json")
        assert done.returncode == 0, done.stderr
        made = json.loads(done.stdout.splitlines()[-1])
        client = httpx.Client(
            base_url=stack.url, timeout=40, headers={"Authorization": f"Bearer {made['api_key']}"}, trust_env=False
        )
        clients.append(client)
        return Tenant(made["tenant_id"], slug, made["api_key"], made["webhook_secret"], client)

    yield make
    for client in clients:
        client.close()


@pytest.fixture(scope="session")
def acme(make_tenant: Callable[..., Tenant]) -> Tenant:
    """A tenant."""
    return make_tenant("acme")


@pytest.fixture(scope="session")
def globex(make_tenant: Callable[..., Tenant]) -> Tenant:
    """Another tenant."""
    return make_tenant("globex")


def role_url(environment: dict[str, str], role: str) -> str:
    """Return the URL by which a role logs in to this run's database."""
    whole = Path(environment["SECRETS_FILE"])
    file = secrets.admin_path(whole) if role == "tq_admin" else whole
    password = secrets.load(file).role_passwords[role]
    url = urlsplit(environment["DATABASE_URL"])
    return url._replace(netloc=f"{role}:{password}@{url.hostname}:{url.port}").geturl()
