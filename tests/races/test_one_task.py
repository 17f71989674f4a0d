"""One task is claimed and ended by plain statements, several by one statement for all: both leave the same rows."""

import itertools
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID

import pytest

from app.db import Connection, connect
from app.tasks import store
from app.tasks.run import timing
from app.tasks.run.attempts import AttemptEnd, Outcome
from tests.races.conftest import Yard
from tests.races.twins import URL, WORKER, Twin, acting_as, twins

# A short attempt, a long one, and one whose time is not known.
_SECONDS: Final = (0.5, timing.SHORT_ATTEMPT + 1, None)

_Prepare: TypeAlias = Callable[[Twin, str], Awaitable[object]]

_Write: TypeAlias = Callable[[Connection, AttemptEnd], Awaitable[Any]]

_JUDGED: Final = (
    "INSERT INTO pool_slots (pool, slots, unjudged_cap, free_for_long, judged_at) VALUES ($1, 4, $2, 1, $3)"
)


@pytest.fixture
async def connection(yard: Yard) -> AsyncIterator[Connection]:
    """The owner's connection, as a process of ours opens one."""
    made = await connect(yard.environment["DATABASE_URL"])
    yield made
    await made.close()


POOLS: Final = ("prefork", "asyncio", "http")


async def _judge(twin: Twin, pool: str, unjudged: int = 3, age: float = 0) -> None:
    """Let the dispatcher have looked at the pool, so many seconds ago."""
    await twin.connection.execute("DELETE FROM pool_slots")
    await twin.connection.execute(_JUDGED, pool, unjudged, await twin.now() - timedelta(seconds=age))


async def _one_waits(twin: Twin, pool: str, **slots: Any) -> None:
    await twin.open(**slots)
    await twin.waiting(pool=pool)


async def _nothing(twin: Twin, pool: str) -> None:
    await twin.open()
    await _judge(twin, pool, unjudged=1)


async def _other_pool(twin: Twin, pool: str) -> None:
    await _one_waits(twin, POOLS[POOLS.index(pool) - 1])


async def _two(twin: Twin, pool: str, seconds: float = 0, **slots: Any) -> None:
    await twin.open(**slots)
    await twin.waiting(pool=pool)
    await twin.waiting(pool=pool, seconds=seconds, priority=9)


def _waits(*, status: str = "active", queue_paused: bool = False, limits: Any = None, **backlog: Any) -> _Prepare:
    async def prepare(twin: Twin, pool: str) -> None:
        await twin.open(status=status, queue_paused=queue_paused, limits=limits)
        await twin.waiting(pool=pool, **backlog)

    return prepare


async def _again(twin: Twin, pool: str) -> None:
    """Its first attempt has failed, and its tenant has asked for a cancel since."""
    await twin.open()
    await twin.waiting(
        pool=pool, status="RETRY", attempt=1, failed_attempts=1, started_at=await twin.now() - timedelta(seconds=9),
        claim_token=uuid.uuid4(), progress={"done": 1}, error={"type": "A"}, cancel_requested_at=await twin.now(),
        traceparent="00-1", webhook_url=URL, timeout_seconds=3.0,
    )  # fmt: skip


async def _left_over(twin: Twin, pool: str) -> None:
    await twin.open()
    await twin.waiting(pool=pool, status="STARTED", attempt=1)


async def _without_a_task(twin: Twin, pool: str) -> None:
    await twin.open()
    await twin.insert(
        "backlog", tenant_id=twin.tenant_id, task_id=uuid.uuid4(), pool=pool, priority=4, due_at=await twin.now(),
        is_scheduled=False,
    )  # fmt: skip


def _slots(*, age: float = 0, unjudged: int = 3, is_judged: bool = True, due: float = 0, **slots: Any) -> _Prepare:
    """Return how to make a tenant with one task and these slots; ``_of_pool`` stands for the pool that claims.

    ``due`` and times at the limit are seconds ago.
    """

    async def prepare(twin: Twin, pool: str) -> None:
        facts = {name.replace("_of_pool", f"_{pool}"): value for name, value in slots.items()}
        if pool != "prefork" and "running" in facts:
            facts[f"running_{pool}"] = facts["running"]
        if "short" in facts:
            facts[f"short_until_{pool}"] = await twin.now() + timedelta(seconds=facts.pop("short"))
        for name in {"full_since", "full_until"} & facts.keys():
            facts[name] = None if facts[name] is None else await twin.now() - timedelta(seconds=facts[name])
        await twin.open(**facts)
        await twin.waiting(pool=pool, due_at=await twin.now() - timedelta(seconds=due))
        if is_judged:
            await _judge(twin, pool, unjudged, age)

    return prepare


CLAIMS: Final[dict[str, _Prepare]] = {
    "one is due": _one_waits,
    "nothing waits": _nothing,
    "one of the other pool": _other_pool,
    "two are due": _two,
    "two are due and one slot is left": lambda twin, pool: _two(twin, pool, running=8),
    "one is due, one comes later": lambda twin, pool: _two(twin, pool, seconds=60),
    "scheduled": _waits(seconds=60),
    "expired": _waits(expires=-1),
    "not expired yet": _waits(expires=60),
    "paused": _waits(queue_paused=True),
    "suspended": _waits(status="suspended"),
    "a limit of its own": _waits(limits={"result_bytes": 77}),
    "a retry that is cancelled": _again,
    "left over": _left_over,
    "without a task": _without_a_task,
    "at its limit": _slots(running=9, is_judged=False),
    "above its limit": _slots(running=9, running_limit=3, is_judged=False),
    "at its limit and cap": _slots(running=9, cap_of_pool=1),
    "one slot left": _slots(running=8, is_judged=False),
    "cap with room": _slots(running=1, cap_of_pool=2),
    "cap reached": _slots(running=2, cap_of_pool=2),
    "cap reached, as known": _slots(running=2, cap_of_pool=2, held_back=7),
    "cap with room, held back before": _slots(running=1, cap_of_pool=2, held_back=7),
    "no cap known": _slots(running=3),
    "no cap known, with short tasks": _slots(running=3, short=2),
    "short tasks long ago": _slots(running=3, short=-2),
    "cap of zero": _slots(cap_of_pool=0),
    "at the limit until just now": _slots(running=8, full_since=90, full_until=0.5, due=60),
    "at the limit a while ago": _slots(running=8, full_since=90, full_until=30, due=60),
    "at the limit, as was known": _slots(running=5, full_since=90, full_until=None, due=60),
    "cap that nobody keeps up": _slots(running=2, cap_of_pool=2, age=99),
}


async def _claim(twin: Twin, pool: str, limit: int, *others: UUID) -> list[dict[str, Any]]:
    """Claim for the tenant, alone or in a group with others."""
    async with acting_as(twin.connection, "tq_worker"):
        rows = await store.claim_any_tenant(
            twin.connection,
            {twin.tenant_id: limit, **dict.fromkeys(others, 1)},
            pool=pool,
            worker_id=WORKER,
            key=uuid.uuid4(),
        )
    return [twin.named(dict(row)) for row in rows]


@pytest.mark.parametrize("case", CLAIMS)
async def test_a_claim_of_one_tenant_is_that_of_a_group(connection: Connection, case: str):
    for pool, limit in itertools.product(POOLS, (0, 1, 4)):
        async with twins(connection) as (alone, grouped):
            for twin in (alone, grouped):
                await CLAIMS[case](twin, pool)
            found = await _claim(alone, pool, limit), await _claim(grouped, pool, limit, uuid.uuid4())
            assert found[0] == found[1], (pool, limit)
            assert await alone.rows() == await grouped.rows(), (pool, limit)


OUTCOMES: Final = (
    Outcome("SUCCESS", "SUCCESS", result='{"n":1e22}'),
    Outcome("SUCCESS", "SUCCESS"),
    Outcome("SUCCESS", "SUCCESS", result='"' + "a" * 3000 + '"'),
    Outcome("FAILURE", "FAILURE", error={"type": "A", "message": "b"}),
    Outcome("FAILURE", "LOST", error={"type": "WorkerLost", "message": ""}),
    Outcome("REVOKED", "REVOKED", error={"type": "Cancelled", "message": ""}),
    Outcome("RETRY", "FAILURE", error={"type": "A", "message": "b"}, delay_seconds=7.5),
    Outcome("RETRY", "FAILURE", error={"type": "A", "message": "b"}),
    Outcome("PENDING", "LOST", error={"type": "WorkerLost", "message": ""}),
    Outcome("PENDING", "RETURNED"),
    Outcome("PENDING", "RETURNED", delay_seconds=3),
)


@dataclass(frozen=True)
class Case:
    """A running task, and the slots of its tenant, when its attempt ends."""

    task: Any = None
    slots: Any = None
    attempt: Any = None
    is_ours: bool = True
    """False if somebody else has the attempt."""
    times: int = 1
    """How often the end is written."""


ENDS: Final = {
    "plain": Case(),
    "cancelled": Case(task={"cancel_requested_at": True}),
    "taken away": Case(is_ours=False),
    "written twice": Case(times=2),
    "with a webhook": Case(task={"webhook_url": URL}),
    "with a webhook, cancelled": Case(task={"webhook_url": URL, "cancel_requested_at": True}),
    "without a log": Case(slots={"features": 0, "event_seq": 5, "webhook_seq": 3}),
    "without a log, with a webhook": Case(task={"webhook_url": URL}, slots={"features": 0, "event_seq": 5}),
    "with endpoints": Case(slots={"features": 3, "event_seq": 5, "webhook_seq": 3}),
    "with endpoints and a webhook": Case(task={"webhook_url": URL}, slots={"features": 3, "event_seq": 5}),
    "with endpoints, without a log": Case(slots={"features": 2, "event_seq": 5, "webhook_seq": 3}),
    "with endpoints, cancelled": Case(task={"cancel_requested_at": True}, slots={"features": 2}),
    "at its limit": Case(slots={"running_limit": 1, "full_until": None}),
    "at its limit, and still after it": Case(slots={"running": 3, "running_limit": 2, "full_until": None}),
    "after a wait": Case(attempt={"waited_seconds": 7.5, "limited_seconds": 3.25}),
    "held back in all pools": Case(slots={"held_back": 7}),
    "held back in prefork": Case(slots={"held_back": 1}),
    "held back in asyncio": Case(slots={"held_back": 2}),
    "held back in http": Case(slots={"held_back": 4}),
    "with progress and an error before": Case(
        task={"progress": {"done": 1}, "error": {"type": "B"}, "failed_attempts": 1}
    ),
    "revoked meanwhile": Case(task={"status": "REVOKED", "finished_at": True}),
    "without a token": Case(task={"claim_token": None}),
}


async def _run(twin: Twin, case: Case, pool: str) -> AttemptEnd:
    slots = {"running": 1, **{f"running_{one}": int(pool == one) for one in POOLS[1:]}} | (case.slots or {})
    await twin.open(**slots)
    facts = {name: await twin.now() if value is True else value for name, value in (case.task or {}).items()}
    task_id, token = await twin.running(pool=pool, **facts)
    if case.attempt:
        await twin.change("attempt", **case.attempt)
    ref = _Ref(twin.tenant_id, task_id, token if case.is_ours else uuid.uuid4())
    return AttemptEnd(ref, OUTCOMES[0], has_webhook=bool(facts.get("webhook_url")))


@dataclass(frozen=True)
class _Ref:
    tenant_id: UUID
    task_id: UUID
    claim_token: UUID


async def _end_in_a_group(connection: Connection, end: AttemptEnd) -> Any:
    columns = ([value] for value in store._row_of(end))
    return await connection.fetch(store._FINISH, *columns, *store._FOR_ALL_ENDS.values())


async def _end_alone(connection: Connection, end: AttemptEnd) -> Any:
    return await store.finish_any_tenant(connection, [end])


async def _write(twin: Twin, write: _Write, end: AttemptEnd, times: int) -> list[dict[str, Any]]:
    async with acting_as(twin.connection, "tq_worker"):
        return [dict(row) for _ in range(times) for row in await write(twin.connection, end)]


@pytest.mark.parametrize("case", ENDS)
async def test_an_end_of_one_attempt_is_that_of_a_group(connection: Connection, case: str):
    for (number, outcome), pool in itertools.product(enumerate(OUTCOMES), POOLS):
        for seconds in _SECONDS if case == "plain" else [_SECONDS[number % 3]]:
            progress = {"done": 2, "total": 3, "note": ""} if number % 2 else None
            async with twins(connection) as pair:
                answers = []
                for twin, write in zip(pair, (_end_alone, _end_in_a_group), strict=True):
                    made = await _run(twin, ENDS[case], pool)
                    end = replace(made, outcome=outcome, seconds=seconds, progress=progress)
                    answers.append(await _write(twin, write, end, ENDS[case].times))
                assert answers[0] == answers[1], (outcome, pool)
                assert await pair[0].rows() == await pair[1].rows(), (outcome, pool)


async def test_the_cases_of_an_end_differ(connection: Connection):
    """The table would prove little if its ends were alike."""
    seen = set()
    for case in ENDS.values():
        async with twins(connection) as (twin, _):
            end = await _run(twin, case, "prefork")
            *_, last = await _write(twin, _end_alone, end, case.times)
            seen.add((last["outcome"], last["frees_slot"], last["has_webhook"]))
    assert {outcome for outcome, _, _ in seen} == {"ended", "already", "fenced"}
    assert {(True, False), (False, True), (False, False)} <= {(slot, webhook) for _, slot, webhook in seen}
