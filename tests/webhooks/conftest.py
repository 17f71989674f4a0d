"""What the tests of webhooks share: tenants with their secrets, rows, a receiver, and processes that deliver."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.webhooks import events
from app.webhooks.events import TaskEnded
from tests import log_scan
from tests.conftest import ROOT, role_url, wait_until
from tests.webhooks.receiver import Receiver


@dataclass(frozen=True)
class Customer:
    """A tenant, and the secret that it verifies with."""

    id: UUID
    secret: str


def ended(tenant_id: UUID, url: str | None, **changes: Any) -> TaskEnded:
    """Return the end of a task, SUCCESS unless said otherwise."""
    facts = {
        "tenant_id": tenant_id, "task_id": uuid.uuid4(), "task": "echo", "status": "SUCCESS", "result": '{"answer":42}',
        "error": None, "attempt_count": 1, "tags": ["a", "ü"], "finished_at": datetime.now(UTC), "webhook_url": url,
    }  # fmt: skip
    return TaskEnded(**(facts | changes))


class Rows:
    """The database, as its owner sees it and as a worker writes to it."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._runner = asyncio.Runner()
        self._owner = self._runner.run(asyncpg.connect(environment["DATABASE_URL"]))
        self._worker = self._runner.run(asyncpg.connect(role_url(environment, "tq_worker")))

    def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        return self._runner.run(self._owner.fetch(sql, *args))

    def emit(self, *ends: TaskEnded) -> list[UUID]:
        """Emit each event as a worker does; return the tasks' ids."""
        self._runner.run(self._emit(ends))
        return [end.task_id for end in ends]

    async def _emit(self, ends: tuple[TaskEnded, ...]) -> None:
        async with self._worker.transaction():
            tenants = ",".join({str(end.tenant_id) for end in ends})
            await self._worker.execute("SELECT set_config('app.tenant_ids', $1, true)", f"{{{tenants}}}")
            await events.emit(self._worker, ends)

    def delivery(self, task_id: UUID) -> asyncpg.Record:
        """The delivery of a task's event."""
        [row] = self.fetch("SELECT *, due_at - now() AS due_in FROM delivery WHERE task_id = $1", task_id)
        return row

    def attempts(self, task_id: UUID) -> list[asyncpg.Record]:
        """What was tried for a task's event, in order."""
        return self.fetch(
            "SELECT a.* FROM delivery_attempt a JOIN delivery d ON d.id = a.delivery_id"
            " WHERE d.task_id = $1 ORDER BY a.attempt",
            task_id,
        )

    def make_due(self, task_id: UUID) -> None:
        """Let the next try be now."""
        self.fetch("UPDATE delivery SET due_at = now() WHERE task_id = $1", task_id)

    def wait_for(self, task_id: UUID, status: str = "DELIVERED", seconds: float = 15) -> asyncpg.Record:
        """Wait until a delivery has a status."""
        wait_until(lambda: self.delivery(task_id)["status"] == status, f"a delivery that is {status}", seconds)
        return self.delivery(task_id)

    def wait_for_attempts(self, task_id: UUID, count: int = 1) -> list[asyncpg.Record]:
        """Wait until so many tries are written down."""
        wait_until(lambda: len(self.attempts(task_id)) >= count, f"{count} tries", 15)
        return self.attempts(task_id)

    def close(self) -> None:
        for connection in (self._owner, self._worker):
            self._runner.run(connection.close())
        self._runner.close()


class Deliverer:
    """A process that delivers."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app.webhooks"],
                cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip

    def lines(self, message: str) -> list[dict[str, Any]]:
        """What it has logged under a message."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["message"] == message]

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="session")
def make_customer(admin: Callable[..., subprocess.CompletedProcess[str]]) -> Callable[[], Customer]:
    def make() -> Customer:
        done = admin("tenant", "create", f"hooks-{uuid.uuid4().hex[:8]}", "--name", "n", "--plan", "pro", "--json")
        made = json.loads(done.stdout.splitlines()[-1])
        return Customer(UUID(made["tenant_id"]), made["webhook_secret"])

    return make


@pytest.fixture(scope="session")
def customer(make_customer: Callable[[], Customer]) -> Customer:
    return make_customer()


@pytest.fixture(scope="session")
def neighbour(make_customer: Callable[[], Customer]) -> Customer:
    return make_customer()


@pytest.fixture
def rows(environment: dict[str, str], customer: Customer, neighbour: Customer) -> Iterator[Rows]:
    """The database without deliveries."""
    made = Rows(environment)
    made.fetch("DELETE FROM delivery")
    yield made
    made.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def start(environment: dict[str, str], rows: Rows, tmp_path: Path) -> Iterator[Callable[..., Deliverer]]:
    """A starter of processes which may deliver to this machine, unless an environment says otherwise."""
    started: list[Deliverer] = []

    def start(**changes: str) -> Deliverer:
        settings = environment | {"WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8"} | changes
        started.append(Deliverer(settings, tmp_path / f"webhooks-{len(started)}.log"))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.kill()
    log_scan.hold(one.log for one in started)
    if os.environ.get("SHOW_LOGS"):
        sys.stderr.write("".join(one.log.read_text() for one in started))
