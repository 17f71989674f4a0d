"""Log lines that meet the end of their attempt, a repeated write, or an attempt that was taken away."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import pytest

from app.db import Database
from app.tasks import log_store
from app.tasks.run.attempts import AttemptEnd, Claim, Outcome
from app.tasks.run.end import end_as_leader
from app.tasks.run.log_lines import LogLine
from tests.claims import claim_for
from tests.races.conftest import Yard, finish


def _lines(first: int, last: int) -> list[LogLine]:
    return [LogLine(seq, datetime.now(UTC), "INFO", f"line {seq}", None) for seq in range(first, last + 1)]


@pytest.fixture
async def worker(yard: Yard) -> AsyncIterator[Database]:
    database = yard.database("tq_worker")
    yield database
    await database.close()


async def _running(yard: Yard, worker: Database) -> Claim:
    tenant_id = await yard.tenant()
    await yard.tasks(tenant_id, 1)
    [claim] = await claim_for(worker, tenant_id, pool="prefork", worker_id=uuid.uuid4())
    return claim


async def _append(worker: Database, claim: Claim, lines: list[LogLine]) -> int:
    async with worker.transaction(claim.tenant_id) as connection:
        return await log_store.append(connection, claim.tenant_id, claim, lines, plan="free")


async def _seqs(yard: Yard, claim: Claim) -> list[int]:
    rows = await yard.owner.fetch("SELECT seq FROM task_log WHERE task_id = $1 ORDER BY attempt, seq", claim.task_id)
    return [row["seq"] for row in rows]


async def test_lines_that_are_written_again_after_a_lost_answer_are_there_once(yard: Yard, worker: Database):
    claim = await _running(yard, worker)
    assert await _append(worker, claim, _lines(1, 3)) == 3
    assert await _append(worker, claim, _lines(1, 5)) == 5
    assert await _seqs(yard, claim) == [1, 2, 3, 4, 5]


async def test_the_first_lines_are_kept_up_to_the_tenants_limit(yard: Yard, worker: Database):
    claim = await _running(yard, worker)
    await yard.owner.execute("UPDATE tenant SET limits = '{\"log_lines\": 4}' WHERE id = $1", claim.tenant_id)
    assert await _append(worker, claim, _lines(1, 3)) == 3
    assert await _append(worker, claim, _lines(4, 9)) == 1
    # Repeated, they find the same room.
    assert await _append(worker, claim, _lines(4, 9)) == 1
    assert await _seqs(yard, claim) == [1, 2, 3, 4]


async def test_an_attempt_that_was_taken_away_stores_nothing(yard: Yard, worker: Database):
    claim = await _running(yard, worker)
    await end_as_leader(worker, AttemptEnd(claim, Outcome("PENDING", "LOST")), None)
    assert await _append(worker, claim, _lines(1, 2)) == 0
    [heir] = await claim_for(worker, claim.tenant_id, pool="prefork", worker_id=uuid.uuid4())
    assert await _append(worker, claim, _lines(1, 2)) == 0
    assert await _append(worker, heir, _lines(1, 1)) == 1
    assert await _seqs(yard, claim) == [1]


async def test_an_end_waits_for_lines_that_are_being_written(yard: Yard, worker: Database):
    claim = await _running(yard, worker)
    async with worker.transaction(claim.tenant_id) as connection:
        assert await log_store.append(connection, claim.tenant_id, claim, _lines(1, 2), plan="free") == 2
        ending = asyncio.ensure_future(finish(worker, claim, Outcome("SUCCESS", "SUCCESS")))
        await _wait_for_lock(yard.owner)
        assert not ending.done()
    assert (await ending) is not None
    assert await _seqs(yard, claim) == [1, 2]


async def _wait_for_lock(owner: "asyncpg.Connection[asyncpg.Record]") -> None:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'attempts?_finish'"
    async with asyncio.timeout(20):
        while not await owner.fetchval(waiting):  # noqa: ASYNC110 another process is waited for
            await asyncio.sleep(0.01)


async def test_another_tenant_reads_no_line(yard: Yard, worker: Database):
    claim = await _running(yard, worker)
    await _append(worker, claim, _lines(1, 1))
    other, api = await yard.tenant(), yard.database("tq_api")
    try:
        async with api.transaction(other) as connection:
            assert await log_store.page(connection, claim.tenant_id, claim.task_id, after=(0, 0), limit=9) == []
    finally:
        await api.close()
