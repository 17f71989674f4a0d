"""What the tests of webhooks share: tenants with their secrets, rows, a receiver, and processes that deliver."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.core import ids
from tests import log_scan
from tests.conftest import ROOT, role_url, wait_until
from tests.webhooks.receiver import Receiver


@dataclass(frozen=True)
class Customer:
    """A tenant, and the secret that it verifies with."""

    id: UUID
    secret: str


@dataclass(frozen=True)
class TaskEnded:
    """A task that has ended, as its row says it."""

    tenant_id: UUID
    task_id: UUID
    task: str
    status: str
    result: str | None
    """JSON; None for a task without a row in result."""
    error: dict[str, Any] | None
    attempt_count: int
    tags: Sequence[str]
    finished_at: datetime
    webhook_url: str | None


def ended(tenant_id: UUID, url: str | None, **changes: Any) -> TaskEnded:
    """Return the end of a task, SUCCESS unless said otherwise."""
    facts = {
        "tenant_id": tenant_id, "task_id": ids.new_id(), "task": "echo", "status": "SUCCESS", "result": '{"answer":42}',
        "error": None, "attempt_count": 1, "tags": ["a", "ü"], "finished_at": datetime.now(UTC), "webhook_url": url,
    }  # fmt: skip
    return TaskEnded(**(facts | changes))


_STORE = """
WITH ended AS (
    INSERT INTO task (tenant_id, id, task, pool, status, priority, payload, due_at, attempt, max_attempts,
                      time_limit_seconds, error, tags, webhook_url, finished_at)
    VALUES ($1, $2, $3, 'prefork', $4, 4, '{}', now(), $5, 3, 9, $6, $7, $8, $9)
), kept AS (
    INSERT INTO result (tenant_id, task_id, result) SELECT $1, $2, $10::json WHERE $10::text IS NOT NULL
), counted AS (
    UPDATE tenant_slots s SET event_seq = s.event_seq + 1,
        webhook_seq = CASE WHEN $8::text IS NULL AND s.features & 2 = 0 THEN s.webhook_seq ELSE s.event_seq + 1 END
    WHERE s.tenant_id = $1 RETURNING s.event_seq, $8::text IS NOT NULL OR s.features & 2 <> 0 AS is_sent
)
INSERT INTO event (tenant_id, seq, type, subject, attempt, webhook_seq)
SELECT $1, c.event_seq, event_type($4), $2, $5, CASE WHEN c.is_sent THEN c.event_seq END FROM counted c
"""
_BEHIND = """
SELECT s.tenant_id FROM tenant_slots s LEFT JOIN webhook_cursor c USING (tenant_id)
WHERE s.tenant_id = ANY ($1) AND s.webhook_seq > coalesce(c.seq, 0)
"""


class Rows:
    """The database, as its owner sees it and as the process that delivers changes it."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._runner = asyncio.Runner()
        self._owner = self._runner.run(asyncpg.connect(environment["DATABASE_URL"]))
        self._webhook = self._runner.run(asyncpg.connect(role_url(environment, "tq_webhook")))

    def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        return self._runner.run(self._owner.fetch(sql, *args))

    def emit(self, *ends: TaskEnded) -> list[UUID]:
        """Store each ended task with its event, and make the deliveries; return the tasks' ids."""
        self.store(*ends)
        tenant_ids = {end.tenant_id for end in ends}

        def are_made() -> bool:
            # It passes by a tenant whose events a running process turns into deliveries at the same time.
            self.fan_out(*tenant_ids)
            return self.fetch(_BEHIND, list(tenant_ids)) == []

        wait_until(are_made, "deliveries of all events")
        return [end.task_id for end in ends]

    def store(self, *ends: TaskEnded) -> None:
        """Store each ended task with its event."""
        self._runner.run(self._store(ends))

    def fan_out(self, *tenant_ids: UUID, limit: int = 1000) -> list[asyncpg.Record]:
        """Make the deliveries of these tenants' events."""
        return self._runner.run(self._webhook.fetch("SELECT * FROM webhook_fan_out($1, $2, 'off')", tenant_ids, limit))

    async def _store(self, ends: tuple[TaskEnded, ...]) -> None:
        async with self._owner.transaction():
            for end in ends:
                await self._owner.execute(
                    _STORE, end.tenant_id, end.task_id, end.task, end.status, end.attempt_count,
                    json.dumps(end.error) if end.error else None, list(end.tags), end.webhook_url, end.finished_at,
                    end.result,
                )  # fmt: skip

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
        for connection in (self._owner, self._webhook):
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
    """The database without deliveries, and without events of other tests that could become any."""
    made = Rows(environment)
    made.fetch("DELETE FROM delivery")
    made.fetch(
        "INSERT INTO webhook_cursor (tenant_id, seq) SELECT tenant_id, webhook_seq FROM tenant_slots"
        " ON CONFLICT (tenant_id) DO UPDATE SET seq = excluded.seq"
    )
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
