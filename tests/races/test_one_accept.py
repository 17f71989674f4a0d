"""One task is accepted by plain statements, several by one statement for all: both answer the same and leave the same rows."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final, TypeAlias

import pytest

from app.db import Connection, connect
from app.quotas.schemas import Demand
from app.tasks import store
from app.tasks.run import timing
from app.tasks.submit.new_tasks import NewTask
from tests.races.conftest import Yard, new_task
from tests.races.twins import URL, Twin, acting_as, twins

_NO_LIMIT: Final = Demand(1, -1, -1, -1)
_LIMITS: Final = Demand(1, 5, 9, 3)
_LONG: Final = "long"

_Act: TypeAlias = Callable[[Twin], Awaitable[object]]


@pytest.fixture
async def connection(yard: Yard) -> AsyncIterator[Connection]:
    """The owner's connection, as a process of ours opens one."""
    made = await connect(yard.environment["DATABASE_URL"])
    yield made
    await made.close()


def _used(day: int, month: int, waiting: int = 0, days: int = 0) -> _Act:
    """Let the tenant have used so much before, on a day so many days from today."""

    async def prepare(twin: Twin) -> None:
        today: date = await twin.connection.fetchval("SELECT (now() AT TIME ZONE 'UTC')::date")
        await twin.insert("usage_by_task", tenant_id=twin.tenant_id, day=today, task="echo", tasks=day, attempts=2)
        counted_on = today + timedelta(days=days)
        await twin.insert(
            "tenant_admitted", tenant_id=twin.tenant_id, admitted=waiting + 7, day=counted_on, day_used=day,
            month=counted_on.replace(day=1), month_used=month,
        )  # fmt: skip
        await twin.change("tenant_slots", departed=9, returned=2)

    return prepare


def _long(free: int, *, age: float = 0, **slots: Any) -> _Act:
    """Let the type be long, and the pools have so many slots left for tenants with long tasks."""

    async def prepare(twin: Twin) -> None:
        connection = twin.connection
        await connection.execute("INSERT INTO long_task_type (task) VALUES ($1) ON CONFLICT DO NOTHING", _LONG)
        await connection.execute("DELETE FROM pool_slots")
        await connection.execute(
            "INSERT INTO pool_slots (pool, slots, unjudged_cap, free_for_long, judged_at)"
            " SELECT pool, 4, 3, $1, now() - make_interval(secs => $2) FROM unnest('{prefork,asyncio}'::text[]) AS pool",
            free, age,
        )  # fmt: skip
        if slots:
            await twin.change("tenant_slots", **slots)

    return prepare


@dataclass(frozen=True)
class Case:
    """A submit of one task, and what its tenant has used before."""

    demand: Demand = _NO_LIMIT
    task: dict[str, Any] = field(default_factory=dict)
    prepare: _Act | None = None


CASES: Final = {
    "the first of a tenant": Case(),
    "one more": Case(prepare=_used(4, 4)),
    "within the limits": Case(_LIMITS, prepare=_used(4, 8, 2)),
    "the day is used up": Case(_LIMITS, prepare=_used(5, 8)),
    "the month is used up": Case(_LIMITS, prepare=_used(4, 9)),
    "day and month are used up": Case(_LIMITS, prepare=_used(5, 9)),
    "the day before is used up": Case(_LIMITS, prepare=_used(5, 8, days=-1)),
    "another month is used up": Case(_LIMITS, prepare=_used(5, 9, days=-40)),
    "a transaction of the day before": Case(_LIMITS, prepare=_used(3, 4, days=1)),
    "a transaction of the month before, when that is used up": Case(_LIMITS, prepare=_used(5, 9, days=40)),
    "more than the day": Case(_LIMITS, prepare=_used(8, 8)),
    "the backlog is full": Case(_LIMITS, prepare=_used(0, 0, 3)),
    "all is used up": Case(_LIMITS, prepare=_used(6, 10, 8)),
    "a limit of zero": Case(Demand(1, 0, -1, -1)),
    "the first is refused": Case(Demand(1, -1, -1, 0)),
    "later": Case(task={"delay_seconds": 60.0}),
    "at once after all": Case(task={"delay_seconds": 0.0}),
    "at a time": Case(task={"scheduled_at": timedelta(hours=1)}),
    "at a time that has passed": Case(task={"scheduled_at": timedelta(hours=-1)}),
    "expires": Case(task={"expires_seconds": 9.5, "timeout_seconds": 3.0}),
    "with everything": Case(
        task={
            "pool": "asyncio", "priority": 9, "payload": '{"n": 1e22}', "max_attempts": 7, "tags": '["a", "b"]',
            "webhook_url": URL, "traceparent": "00-1", "retry_of": uuid.uuid4(), "time_limit_seconds": 2.5,
        }
    ),
    "no tags": Case(task={"tags": "[]"}),
    "another type": Case(task={"task": "other"}, prepare=_used(4, 4)),
    "long, with slots": Case(task={"task": _LONG}, prepare=_long(2)),
    "long, in asyncio": Case(task={"task": _LONG, "pool": "asyncio"}, prepare=_long(3)),
    "long, with a cap that has room": Case(task={"task": _LONG}, prepare=_long(2, cap_prefork=2)),
    "long, with a full cap": Case(task={"task": _LONG}, prepare=_long(2, cap_prefork=1, running=1)),
    "long, no slots": Case(task={"task": _LONG}, prepare=_long(0)),
    "long, nobody judges": Case(task={"task": _LONG}, prepare=_long(2, age=99)),
    "long, later": Case(task={"task": _LONG, "delay_seconds": 60.0}, prepare=_long(2)),
    "short, where long types are known": Case(prepare=_long(2)),
    "crosses 80 percent of the day": Case(Demand(1, 10, -1, -1), prepare=_used(7, 7)),
    "crosses 80 percent of the month": Case(Demand(1, -1, 10, -1), prepare=_used(7, 7)),
    "crosses every line at once": Case(Demand(1, 1, 1, -1)),
    "long, crosses": Case(Demand(1, 1, 2, -1), task={"task": _LONG}, prepare=_long(2)),
    "long, refused": Case(Demand(1, 0, -1, -1), task={"task": _LONG}, prepare=_long(2)),
}  # fmt: skip


async def _alone(connection: Connection, demand: Demand, task: NewTask) -> dict[str, Any]:
    [(tenant_id, grant)] = (await store.accept_any_tenant(connection, {task.tenant_id: demand}, [task])).items()
    return {"tenant_id": tenant_id, **grant._asdict()}


async def _in_a_group(connection: Connection, demand: Demand, task: NewTask) -> dict[str, Any]:
    columns = ([value] for value in demand)
    rows = await connection.fetch(
        store._ACCEPT, [task.tenant_id], *columns, *store._columns_of([task]), timing.WORKER_DEAD_AFTER
    )
    return dict(rows[0])


async def _submit(twin: Twin, case: Case, accept: Callable[..., Awaitable[dict[str, Any]]]) -> tuple[Any, Any]:
    """Accept the case's task; return the answer and all rows, also of the pools."""
    await twin.open()
    if case.prepare:
        await case.prepare(twin)
    facts = dict(case.task)
    if "scheduled_at" in facts:
        facts["scheduled_at"] = await twin.now() + facts["scheduled_at"]
    if retry_of := facts.get("retry_of"):
        twin.names[retry_of] = "retry_of"
    task = new_task(twin.tenant_id, **facts)
    twin.names[task.id] = "the task"
    async with acting_as(twin.connection, "tq_submit"):
        answer = await accept(twin.connection, case.demand, task)
    pools = [tuple(row) for row in await twin.connection.fetch("SELECT * FROM pool_slots ORDER BY pool")]
    return twin.named(answer), (await twin.rows(), pools)


@pytest.mark.parametrize("case", CASES)
async def test_a_submit_of_one_task_is_that_of_a_group(connection: Connection, case: str):
    async with twins(connection) as (one, other):
        alone = await _submit(one, CASES[case], _alone)
        grouped = await _submit(other, CASES[case], _in_a_group)
        assert alone[0] == grouped[0]
        assert alone[1] == grouped[1]


async def test_the_cases_of_a_submit_differ(connection: Connection):
    seen, events = set(), set()
    for case in CASES.values():
        async with twins(connection) as (twin, _):
            answer, (rows, _) = await _submit(twin, case, _alone)
            assert len(rows["task"]) == len(rows["backlog"]) == answer["granted"]
            seen.add((answer["refused_by"], bool(rows["tenant_slots"][0]["cap_prefork"])))
            events.add(len(rows["event"]))
    assert {refused_by for refused_by, _ in seen} == {None, "day", "month", "backlog"}
    assert (None, True) in seen
    # Of 80 and 100 percent of the day and the month.
    assert events == {0, 1, 2, 4}
