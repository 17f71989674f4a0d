"""An end that cannot be written for its content is written without it, and never harms the others of its group."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from app.core import redis as redis_connections
from app.tasks.run.attempts import Claim, Outcome
from app.worker.executor import RunResult
from app.worker.finish_writer import FinishWriter
from tests.claims import claim_for
from tests.races.conftest import Yard


@pytest.fixture
async def writer(yard: Yard) -> AsyncIterator[Any]:
    """What a worker process writes ends with, and which attempts it has let go of."""
    connections = SimpleNamespace(
        database=yard.database("tq_worker"),
        redis=redis_connections.connect(yard.environment["REDIS_URL"]),
        spawn=lambda work: woken.append(asyncio.ensure_future(work)),
    )
    woken: list[asyncio.Future[None]] = []
    dropped: list[uuid.UUID] = []
    finish_writer = FinishWriter(connections, lambda attempts: dropped.extend(one.task_id for one in attempts))  # type: ignore[arg-type]
    yield SimpleNamespace(database=connections.database, write=finish_writer.write, dropped=dropped)
    await asyncio.gather(*woken)
    await connections.database.close()
    await connections.redis.aclose()


async def _claims(yard: Yard, writer: Any, count: int, **changes: Any) -> list[Claim]:
    tenant_id = await yard.tenant()
    await yard.tasks(tenant_id, count, **changes)
    claims = await claim_for(writer.database, tenant_id, pool="prefork", worker_id=uuid.uuid4(), limit=count)
    assert len(claims) == count
    return claims


def _success(result: str | None) -> Outcome:
    return Outcome("SUCCESS", "SUCCESS", result=result)


FINE = RunResult(_success('{"n":1}'), {"done": 1, "total": 1, "note": None}, 0.1)
# What is written of each that cannot be: status, error type, whether its result is kept.
REDUCED = {
    "progress that is no JSON": (RunResult(_success("1"), {"done": float("nan")}, 0.1), "SUCCESS", None, "1"),
    "progress with NUL": (RunResult(_success("1"), {"note": "a\0b"}, 0.1), "SUCCESS", None, "1"),
    "progress that cannot be written": (RunResult(_success("1"), {"done": object()}, 0.1), "SUCCESS", None, "1"),
    "result that is no JSON": (RunResult(_success("NaN"), None, 0.1), "FAILURE", "UnusableResult", None),
    "result with a raw NUL": (RunResult(_success('"\0"'), None, 0.1), "FAILURE", "UnusableResult", None),
    "result with half a pair": (RunResult(_success('"\ud800"'), {"done": 1}, 0.1), "FAILURE", "UnusableResult", None),
    "result that nests too deep": (RunResult(_success("[" * 200_000 + "]" * 200_000), None, 0.1), "FAILURE", "UnusableResult", None),
    "error with NUL": (
        RunResult(Outcome("FAILURE", "FAILURE", error={"type": "E\0", "message": "m"}), None, 0.1),
        "FAILURE", "UnusableError", None,
    ),
    "error with NaN": (
        RunResult(Outcome("RETRY", "FAILURE", error={"type": "E", "message": float("nan")}, delay_seconds=60), None, 0.1),
        "RETRY", "UnusableError", None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("webhook_url", [None, "https://hooks.example.com/a"])
@pytest.mark.parametrize(("ran", "status", "error_type", "result"), REDUCED.values(), ids=REDUCED.keys())
async def test_what_cannot_be_stored_is_left_out_of_an_end(
    yard: Yard,
    writer: Any,
    ran: RunResult,
    status: str,
    error_type: str | None,
    result: str | None,
    webhook_url: str | None,
):
    claims = await _claims(yard, writer, 5, webhook_url=webhook_url)
    seen = await asyncio.gather(
        *(writer.write(claim, ran if number == 2 else FINE) for number, claim in enumerate(claims))
    )
    assert [ended.status for ended in seen] == ["SUCCESS", "SUCCESS", status, "SUCCESS", "SUCCESS"]
    assert sorted(writer.dropped) == sorted(claim.task_id for claim in claims)
    rows = await yard.owner.fetch(
        "SELECT k.id, k.status, k.error ->> 'type' AS error_type, k.progress IS NOT NULL AS has_progress,"
        " coalesce(k.result, r.result) AS result, a.status AS attempt_status"
        " FROM task k JOIN attempt a ON a.task_id = k.id LEFT JOIN result r ON r.task_id = k.id WHERE k.tenant_id = $1",
        claims[0].tenant_id,
    )
    by_id = {row["id"]: row for row in rows}
    odd = by_id.pop(claims[2].task_id)
    assert (odd["status"], odd["error_type"], odd["result"], odd["has_progress"]) == (status, error_type, result, False)
    assert odd["attempt_status"] == ("SUCCESS" if status == "SUCCESS" else "FAILURE")
    assert [(row["status"], row["result"], row["has_progress"]) for row in by_id.values()] == [
        ("SUCCESS", '{"n":1}', True)
    ] * 4


async def test_an_end_that_a_lock_has_kept_from_being_written_keeps_its_content(yard: Yard, writer: Any):
    [claim] = await _claims(yard, writer, 1)
    # Not of its content: the first two times something else is in the way, as a deadlock would be.
    await yard.owner.execute("CREATE SEQUENCE times_refused; GRANT USAGE ON SEQUENCE times_refused TO tq_worker")
    await yard.owner.execute(
        "CREATE FUNCTION refuse_twice() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF nextval('times_refused') <= 2 THEN RAISE EXCEPTION USING ERRCODE = '40P01'; END IF; RETURN NEW; END $$"
    )
    await yard.owner.execute(
        "CREATE TRIGGER refuse_twice BEFORE INSERT ON worker_time FOR EACH ROW EXECUTE FUNCTION refuse_twice()"
    )
    try:
        ended = await writer.write(claim, FINE)
    finally:
        await yard.owner.execute("DROP TRIGGER refuse_twice ON worker_time; DROP FUNCTION refuse_twice()")
        await yard.owner.execute("DROP SEQUENCE times_refused")
    assert ended.status == "SUCCESS"
    assert await yard.owner.fetchval("SELECT result FROM task WHERE id = $1", claim.task_id) == '{"n":1}'
    assert writer.dropped == [claim.task_id]


async def test_an_end_that_can_never_be_written_is_raised_and_let_go_of(yard: Yard, writer: Any):
    [claim] = await _claims(yard, writer, 1)
    with pytest.raises(asyncpg.DataError, match="surrogates not allowed"):
        await writer.write(claim, RunResult(Outcome("\ud800status", "SUCCESS"), None, 0.1))  # type: ignore[arg-type]
    assert writer.dropped == [claim.task_id]
