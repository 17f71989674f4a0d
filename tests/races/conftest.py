"""What the races share: connections of each role, and tenants whose tasks are rows only."""

import asyncio
import math
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.core import ids, retry
from app.core.errors import Unavailable
from app.db import Database
from app.dispatch.leadership import Lead
from app.quotas.schemas import Demand
from app.tasks import store
from app.tasks.run.attempts import AttemptEnd, AttemptRef, FinishResult, Outcome
from app.tasks.run.end import end as end_attempts
from app.tasks.submit.new_tasks import Idempotency, NewTask, Statement, Submission, TaskSpecs
from app.tenants import plans
from tests import operator_commands
from tests.conftest import Servers, role_url
from tests.races.operation_yard import Operations, opened


async def finish(worker: Database, held: AttemptRef, outcome: Outcome) -> FinishResult | None:
    """End one attempt alone."""
    [ended] = await end_attempts(worker, [AttemptEnd(held, outcome)])
    return ended


@dataclass
class Yard:
    """The database as its owner, and how each role logs in."""

    owner: "asyncpg.Connection[Any]"
    environment: dict[str, str]

    def database(self, role: str, size: int = 4) -> Database:
        """Return a pool of a role; the caller closes it."""
        return Database(role, size=size, url=role_url(self.environment, role))

    async def fence(self) -> UUID:
        """Let the test's own sweeps lead; return the token that they name."""
        return await self.owner.fetchval(
            "UPDATE dispatcher_lease SET expires_at = now() + interval '1 day' RETURNING token"
        )

    async def lead(self, connection: "asyncpg.Connection[Any]") -> Lead:
        """Return the lead of a dispatcher whose connection this is."""
        return Lead(connection, await self.fence(), math.inf)

    async def tenant(self, running_limit: int = 1000) -> UUID:
        """Make a tenant."""
        tenant_id = uuid.uuid4()
        await self.owner.execute(
            "INSERT INTO tenant (id, slug, name, plan) VALUES ($1, $2, 'a', 'enterprise')",
            tenant_id,
            f"r{tenant_id.hex}",
        )
        await self.owner.execute(
            "INSERT INTO tenant_slots (tenant_id, running_limit) VALUES ($1, $2)"
            " ON CONFLICT (tenant_id) DO UPDATE SET running_limit = excluded.running_limit",
            tenant_id, running_limit,
        )  # fmt: skip
        return tenant_id

    async def tasks(self, tenant_id: UUID, count: int, **changes: Any) -> list[UUID]:
        """Let so many tasks wait."""
        submit = self.database("tq_submit", 1)
        made = [new_task(tenant_id, **changes) for _ in range(count)]
        try:
            # A machine that is busy with other tests may be too slow to open a connection in time.
            await retry.until_back(lambda: _connect(submit), Unavailable, _keep_quiet, until=time.monotonic() + 30)
            async with submit.transaction(tenant_id) as connection:
                await store.accept_any_tenant(connection, {tenant_id: unlimited(count)}, made)
        finally:
            await submit.close()
        return [task.id for task in made]


async def _connect(database: Database) -> None:
    async with database.connection():
        pass


def _keep_quiet(error: Exception, seconds: float) -> None:
    """Say nothing: the test that waits will say what it lacks."""


def unlimited(count: int) -> Demand:
    """Return what a tenant without limits asks of the ledger."""
    return Demand(count, -1, -1, -1)


def submission(tenant_id: UUID, key: str | None = None, count: int = 1) -> Submission:
    """Return what a request of so many tasks wants stored, without a limit."""
    return wanted(tenant_id, plans.PLANS["enterprise"], [new_task(tenant_id) for _ in range(count)], key)


def wanted(
    tenant_id: UUID,
    limits: plans.Limits,
    tasks: Sequence[NewTask],
    key: str | None = None,
    *,
    fingerprint: bytes = b"",
    also: Sequence[Statement] = (),
) -> Submission:
    """Return what a request wants stored."""
    idempotency = None if key is None else Idempotency(key, fingerprint)
    return Submission(TaskSpecs(tenant_id, limits, tasks), idempotency, also)


def new_task(tenant_id: UUID, **changes: Any) -> NewTask:
    """Return a task as a submit makes it."""
    facts: dict[str, Any] = {
        "tenant_id": tenant_id, "id": ids.new_id(), "task": "echo", "pool": "prefork", "priority": 4, "payload": "1",
        "delay_seconds": None, "scheduled_at": None, "expires_seconds": None, "max_attempts": 3,
        "time_limit_seconds": 900.0, "timeout_seconds": None, "tags": None, "webhook_url": None, "retry_of": None,
        "traceparent": None, "metadata": None,
    }  # fmt: skip
    return NewTask(**(facts | changes))


@pytest.fixture(scope="session")
def own_database(environment: dict[str, str]) -> dict[str, str]:
    """Return the settings of a database in which no other process claims, rescues or offers."""
    settings = environment | {"DATABASE_URL": f"{environment['DATABASE_URL'].rpartition('/')[0]}/races"}
    asyncio.run(_create(environment["DATABASE_URL"]))
    for command in ("bootstrap", "migrate"):
        operator_commands.run(settings, command).check_returncode()
    return settings


async def _create(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("CREATE DATABASE races")
    finally:
        await connection.close()


@pytest.fixture
async def yard(own_database: dict[str, str]) -> AsyncIterator[Yard]:
    """The database of the races."""
    owner = await asyncpg.connect(own_database["DATABASE_URL"])
    try:
        yield Yard(owner, own_database)
    finally:
        await owner.close()


@pytest.fixture
async def operations(yard: Yard, servers: Servers) -> AsyncIterator[Operations]:
    """Return the operations of the database, and a dispatcher's runner for them."""
    async with opened(yard, servers.valkey.url.removesuffix("/0") + "/8") as made:
        yield made
