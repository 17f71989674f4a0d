"""Operations of the database of the races, and a dispatcher that runs them without its sweeps."""

import asyncio
import json
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
from redis.asyncio import Redis

from app.core import ids
from app.db import Database, connect
from app.operations import store
from app.operations.bulk_cancel import BulkCancel
from app.operations.bulk_retry import BulkRetry
from app.operations.delivery_acts import DeliveryResend, ReplayMissing
from app.operations.runner import OperationRunner
from app.operations.schedule_backfill import ScheduleBackfill
from app.tasks.run.attempts import AttemptEnd, Outcome
from app.tasks.run.end import end
from app.tasks.submit.accept import Acceptor
from tests.claims import claim_for
from tests.conftest import ROOT, role_url

if TYPE_CHECKING:
    from tests.races.conftest import Yard

KILLED = 137
"""Exit code of a process that was killed."""
_FAILED = Outcome("FAILURE", "FAILURE", error={"type": "ValueError", "message": "no"})


@dataclass
class Operations:
    """Operations of the database of the races, and a dispatcher's runner for them."""

    yard: "Yard"
    worker: Database
    submit: Database
    redis: Redis
    finder: "asyncpg.Connection[Any]"
    fence: UUID

    async def start(self, tenant_id: UUID, kind: str, **chosen: Any) -> UUID:
        """Store an operation, as its request does."""
        operation_id = ids.new_id()
        await self.yard.owner.execute(
            "INSERT INTO operation (tenant_id, id, kind, filter, asked_by) VALUES ($1, $2, $3, $4, 'key')",
            tenant_id, operation_id, kind, json.dumps(chosen or {"all": True}),
        )  # fmt: skip
        return operation_id

    def runner(self, fence: UUID | None = None) -> OperationRunner:
        """Return the runner of a dispatcher that has just begun to lead."""
        token = fence or self.fence
        acceptor = Acceptor(self.submit, self.worker, self.redis)
        resend = DeliveryResend(self.worker, token)
        acts = {
            "schedules.backfill": ScheduleBackfill(self.worker, acceptor, token),
            "tasks.cancel": BulkCancel(self.worker, self.redis, token),
            "tasks.retry": BulkRetry(self.worker, acceptor, token),
            "webhooks.recover": resend,
            "webhooks.resend": resend,
            "webhooks.replay_missing": ReplayMissing(self.worker, token),
        }
        return OperationRunner(self.worker, acts, token)

    async def round(self, runner: OperationRunner) -> bool:
        """Let a runner look and do a round; return whether operations run."""
        running = await store.running_any_tenant(self.finder)
        runner.see(running)
        if running and not await runner.round():
            await asyncio.sleep(0.02)
        return bool(running)

    async def run(self, *runners: OperationRunner) -> None:
        """Let runners work until no operation runs."""

        async def work(runner: OperationRunner) -> None:
            async with asyncio.timeout(500):
                while await self.round(runner):
                    pass

        if len(runners) < 2:
            await work(runners[0] if runners else self.runner())
            return
        # One connection finds the work of all, so the second runner looks through one of its own.
        await asyncio.gather(*(self.beside(runner) for runner in runners))

    async def beside(self, runner: OperationRunner) -> None:
        """Let a runner work that has its own connection to look."""
        finder = await connect(role_url(self.yard.environment, "tq_dispatch"))
        try:
            async with asyncio.timeout(100):
                while running := await store.running_any_tenant(finder):
                    runner.see(running)
                    if not await runner.round():
                        await asyncio.sleep(0.02)
        finally:
            await finder.close()

    async def row(self, operation_id: UUID) -> dict[str, Any]:
        """Return an operation as it is stored."""
        row = await self.yard.owner.fetchrow("SELECT * FROM operation WHERE id = $1", operation_id)
        assert row is not None
        return dict(row)

    async def counts(self, operation_id: UUID) -> tuple[Any, ...]:
        """Return status, total, done, failed and skipped."""
        row = await self.row(operation_id)
        return tuple(row[name] for name in ("status", "total", "done", "failed", "skipped"))

    async def statuses(self, tenant_id: UUID) -> Counter[str]:
        """Count the tenant's tasks by status."""
        rows = await self.yard.owner.fetch(
            "SELECT status, count(*) AS n FROM task WHERE tenant_id = $1 GROUP BY 1", tenant_id
        )
        return Counter({row["status"]: row["n"] for row in rows})

    async def fail(self, tenant_id: UUID, count: int, **changes: Any) -> list[UUID]:
        """Make tasks that have failed."""
        await self.yard.tasks(tenant_id, count, **changes)
        claims = await claim_for(self.worker, tenant_id, pool="prefork", worker_id=uuid.uuid4(), limit=count)
        assert len(claims) == count
        await end(self.worker, [AttemptEnd(claim, _FAILED) for claim in claims])
        return [claim.task_id for claim in claims]

    async def claim(self, tenant_id: UUID, count: int = 1) -> list[Any]:
        """Let a worker start so many tasks."""
        return await claim_for(self.worker, tenant_id, pool="prefork", worker_id=uuid.uuid4(), limit=count)

    async def retries(self, tenant_id: UUID) -> Counter[UUID]:
        """Count the new tasks by the task that they repeat."""
        rows = await self.yard.owner.fetch(
            "SELECT retry_of, count(*) AS n FROM task WHERE tenant_id = $1 AND retry_of IS NOT NULL GROUP BY 1",
            tenant_id,
        )
        return Counter({row["retry_of"]: row["n"] for row in rows})

    async def is_ledger_exact(self, tenant_id: UUID) -> bool:
        """Return whether the counted backlog is that of the rows, and events are numbered without gaps."""
        row = await self.yard.owner.fetchrow(
            "SELECT (SELECT count(*) FROM backlog WHERE tenant_id = $1) = coalesce(a.admitted, 0) + s.returned - s.departed"
            " AND (SELECT array_agg(seq ORDER BY seq) FROM event WHERE tenant_id = $1)"
            " IS NOT DISTINCT FROM (SELECT array_agg(n) FROM generate_series(1, s.event_seq) AS n) AS is_exact"
            " FROM tenant_slots s LEFT JOIN tenant_admitted a USING (tenant_id) WHERE s.tenant_id = $1",
            tenant_id,
        )
        assert row is not None
        return bool(row["is_exact"])

    def run_process(self, **settings: str) -> int:
        """Let a process of its own run the operations; return its exit code."""
        environment = self.yard.environment | settings
        line = [sys.executable, "-m", "tests.races.operation_process", str(self.fence)]
        return subprocess.run(line, cwd=ROOT, env=environment, check=False, timeout=60).returncode


@asynccontextmanager
async def opened(yard: "Yard", redis_url: str) -> AsyncIterator[Operations]:
    """Yield a dispatcher that leads, without its sweeps."""
    # Of earlier tests, whose operations would be run too.
    await yard.owner.execute("DELETE FROM operation")
    redis = Redis.from_url(redis_url)
    worker, submit = yard.database("tq_worker"), yard.database("tq_submit")
    finder = await connect(role_url(yard.environment, "tq_dispatch"))
    yield Operations(yard, worker, submit, redis, finder, await yard.fence())
    await finder.close()
    for database in (worker, submit):
        await database.close()
    await redis.flushdb()
    await redis.aclose()
