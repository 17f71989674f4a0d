"""Events become deliveries: the body, exactly one delivery for each event, and how soon the process looks."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from redis.asyncio import Redis

from app.broker import wakeups
from app.db import Database
from app.webhooks import schemas, store
from app.webhooks.delivery import fan_out
from app.webhooks.delivery.fan_out import FanOut
from tests.conftest import role_url
from tests.webhooks.conftest import Customer, Rows, ended

URL = "https://hooks.example.com/a?token=t"
ERROR = {"type": "ValueError", "message": "no", "attempt": 3}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
_NO_REDIS = "redis://127.0.0.1:1/0"


@pytest.fixture
async def owner(environment: dict[str, str]) -> AsyncIterator["asyncpg.Connection[Any]"]:
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    yield connection
    await connection.close()


@pytest.fixture
async def database(environment: dict[str, str]) -> AsyncIterator[Database]:
    made = Database("tq_webhook", size=4, url=role_url(environment, "tq_webhook"))
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("status", "outcome", "type_", "carried"),
    [
        ("SUCCESS", {"result": "[1,null]"}, "task.succeeded", {"result": [1, None]}),
        ("SUCCESS", {"result": None}, "task.succeeded", {"result": None}),
        ("SUCCESS", {"result": "null"}, "task.succeeded", {"result": None}),
        ("FAILURE", {"result": None, "error": ERROR}, "task.failed", {"error": ERROR}),
        ("REVOKED", {"result": None, "error": None}, "task.revoked", {"error": None}),
        ("REVOKED", {"result": None, "error": ERROR}, "task.revoked", {"error": ERROR}),
    ],
)
def test_a_body_says_how_the_task_ended(
    rows: Rows, customer: Customer, status: str, outcome: dict[str, Any], type_: str, carried: dict[str, Any]
):
    moment = datetime(2026, 1, 31, 12, 0, 0, 5, UTC)
    end = ended(customer.id, URL, status=status, finished_at=moment, tags=["a", 'ü"\\'], **outcome)
    rows.emit(end)
    body = rows.delivery(end.task_id)["body"]
    assert json.loads(body) == {
        "type": type_,
        "timestamp": "2026-01-31T12:00:00.000005Z",
        "data": {
            "task_id": str(end.task_id), "task": "echo", "status": status, **carried, "attempt_count": 1,
            "tags": ["a", 'ü"\\'],
        },
    }  # fmt: skip
    TypeAdapter(schemas.TaskEvent).validate_json(body)


@given(result=JSON)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_result_comes_back_as_it_was(rows: Rows, result: Any):
    stored = json.dumps(result, ensure_ascii=False).replace("\0", "")
    [made] = rows.fetch(
        "SELECT webhook_body(1::smallint, $1, 'echo', 'SUCCESS', NULL, 1, '{}', now(), $2) AS body",
        uuid.uuid4(),
        stored,
    )
    assert json.loads(made["body"])["data"]["result"] == json.loads(stored)
    # Handed through, not read and written again.
    assert f'"result":{stored}' in made["body"]


@pytest.mark.parametrize(("size", "is_omitted"), [(65_536, False), (65_537, True)])
def test_a_result_of_more_than_64_kib_is_left_out_and_said_to_be(
    rows: Rows, customer: Customer, size: int, is_omitted: bool
):
    end = ended(customer.id, URL, result=json.dumps("r" * (size - 2)))
    rows.emit(end)
    data = json.loads(rows.delivery(end.task_id)["body"])["data"]
    assert (data["result"] is None, data.get("result_omitted", False)) == (is_omitted, is_omitted)
    TypeAdapter(schemas.TaskEvent).validate_json(rows.delivery(end.task_id)["body"])


def test_without_a_webhook_url_nothing_is_made(rows: Rows, customer: Customer):
    rows.emit(ended(customer.id, None))
    assert rows.fetch("SELECT FROM delivery") == []


@pytest.mark.parametrize(
    ("url", "key"),
    [
        (URL, "https://hooks.example.com/a"),
        ("https://hooks.example.com/", "https://hooks.example.com/"),
        ("https://hooks.example.com/a?b?c#d", "https://hooks.example.com/a"),
        ("https://hooks.example.com/" + "a" * 2100, ("https://hooks.example.com/" + "a" * 2100)[:2048]),
    ],
)
def test_a_delivery_is_due_at_once_and_has_the_id_of_its_event(rows: Rows, customer: Customer, url: str, key: str):
    [task_id] = rows.emit(ended(customer.id, url, result='"ü \\\\u0000"'))
    row = rows.delivery(task_id)
    assert (row["tenant_id"], row["event_type"], row["status"], row["attempt"]) == (
        customer.id, "task.succeeded", "PENDING", 0,
    )  # fmt: skip
    assert (row["url"], row["url_key"]) == (url, key)
    assert row["due_in"] <= timedelta(0)
    [event] = rows.fetch(
        "SELECT event_id(tenant_id, seq, type, subject, created_at) AS id, created_at FROM event WHERE subject = $1",
        task_id,
    )
    assert row["id"] == event["id"]
    # Its id carries its time, by which it is pruned.
    assert (event["id"].version, event["id"].int >> 80) == (7, int(event["created_at"].timestamp() * 1000))


def test_events_come_in_pages_and_none_is_made_twice(rows: Rows, customer: Customer, neighbour: Customer):
    ends = [ended(customer.id, URL if number % 3 else None) for number in range(12)]
    rows.store(*ends, ended(neighbour.id, URL))
    # Of the two tenants, four events at most.
    answers = [
        {(row["tenant_id"], row["made"], row["has_more"]) for row in rows.fan_out(customer.id, neighbour.id, limit=4)}
        for _ in range(4)
    ]
    assert answers == [
        {(customer.id, 4, True), (neighbour.id, 1, False)}, {(customer.id, 4, True)}, set(), set(),
    ]  # fmt: skip
    made = rows.fetch("SELECT task_id FROM delivery WHERE tenant_id = $1", customer.id)
    assert sorted(row["task_id"] for row in made) == sorted(end.task_id for end in ends if end.webhook_url)


def test_a_cursor_that_was_set_back_makes_the_same_deliveries_and_no_second_ones(
    rows: Rows, make_customer: Callable[[], Customer]
):
    customer = make_customer()
    [task_id] = rows.emit(ended(customer.id, URL))
    before = rows.delivery(task_id)["id"]
    rows.fetch("DELETE FROM webhook_cursor WHERE tenant_id = $1", customer.id)
    assert [row["made"] for row in rows.fan_out(customer.id)] == [0]
    rows.fetch("DELETE FROM delivery WHERE task_id = $1", task_id)
    rows.fetch("DELETE FROM webhook_cursor WHERE tenant_id = $1", customer.id)
    rows.fan_out(customer.id)
    assert rows.delivery(task_id)["id"] == before


def test_a_clock_that_was_ahead_for_days_leaves_out_no_event(rows: Rows, make_customer: Callable[[], Customer]):
    customer = make_customer()
    rows.emit(ended(customer.id, URL))
    # As it stands after deliveries were made while the server's clock was three days ahead.
    rows.fetch("UPDATE webhook_cursor SET read_from = now() + interval '2 days' WHERE tenant_id = $1", customer.id)
    [task_id] = rows.emit(ended(customer.id, URL))
    assert rows.delivery(task_id)["status"] == "PENDING"


async def test_what_is_not_committed_is_made_again_by_the_next(
    database: Database, rows: Rows, customer: Customer, owner: "asyncpg.Connection[Any]"
):
    end = ended(customer.id, URL)
    await asyncio.to_thread(rows.store, end)
    deliveries = "SELECT count(*) FROM delivery WHERE task_id = $1"
    async with database.connection() as first, database.connection() as second:
        transaction = first.transaction()
        await transaction.start()
        assert [row.made for row in await store.fan_out_any_tenant(first, [customer.id], 10)] == [1]
        # Whoever comes meanwhile does not wait, and makes nothing.
        assert await store.fan_out_any_tenant(second, [customer.id], 10) == []
        assert await owner.fetchval(deliveries, end.task_id) == 0
        # As when its process is killed.
        await transaction.rollback()
        assert [row.made for row in await store.fan_out_any_tenant(second, [customer.id], 10)] == [1]
    assert await owner.fetchval(deliveries, end.task_id) == 1


async def test_several_processes_at_once_make_each_delivery_once(
    database: Database, rows: Rows, customer: Customer, neighbour: Customer, owner: "asyncpg.Connection[Any]"
):
    ends = [ended(tenant.id, URL) for _ in range(60) for tenant in (customer, neighbour)]
    written = asyncio.Event()

    async def write() -> None:
        for start in range(0, len(ends), 4):
            await asyncio.to_thread(rows.store, *ends[start : start + 4])
        written.set()

    async def make() -> int:
        made = 0
        while True:
            is_last = written.is_set()
            async with database.connection() as connection:
                answers = await store.fan_out_any_tenant(connection, [neighbour.id, customer.id], 7)
            made += sum(answer.made for answer in answers)
            async with database.connection() as connection:
                if is_last and not {customer.id, neighbour.id} & set(await store.behind_any_tenant(connection)):
                    return made

    async with asyncio.timeout(60):
        made, _ = await asyncio.gather(asyncio.gather(*(make() for _ in range(3))), write())
    assert sum(made) == len(ends)
    stored = await owner.fetch("SELECT task_id FROM delivery")
    assert sorted(row["task_id"] for row in stored) == sorted(end.task_id for end in ends)


async def test_a_tenant_that_is_being_erased_keeps_nobody_waiting(
    database: Database, rows: Rows, customer: Customer, neighbour: Customer, owner: "asyncpg.Connection[Any]"
):
    await asyncio.to_thread(rows.store, ended(customer.id, URL), ended(neighbour.id, URL))
    async with owner.transaction():
        await owner.execute("SELECT FROM tenant WHERE id = $1 FOR UPDATE", customer.id)
        async with database.connection() as connection, asyncio.timeout(5):
            made = await store.fan_out_any_tenant(connection, [customer.id, neighbour.id], 10)
    assert [row.tenant_id for row in made] == [neighbour.id]


async def _until_made(owner: "asyncpg.Connection[Any]", task_id: uuid.UUID) -> float:
    began = time.monotonic()
    async with asyncio.timeout(15):
        while not await owner.fetchval("SELECT count(*) FROM delivery WHERE task_id = $1", task_id):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    return time.monotonic() - began


@pytest.fixture
async def started(database: Database, rows: Rows, environment: dict[str, str]) -> AsyncIterator[Callable[[str], Any]]:
    """A starter of what a process does to make deliveries; it returns a list that gets an item for each that made any."""
    running: list[tuple[FanOut, asyncio.Task[None]]] = []

    async def start(redis_url: str = environment["REDIS_URL"]) -> list[float]:
        made: list[float] = []
        one = FanOut(database, redis_url, lambda: made.append(time.monotonic()))
        await one.start()

        async def repeat() -> None:
            while True:
                await one.round()

        running.append((one, asyncio.create_task(repeat())))
        return made

    yield start
    for one, task in running:
        task.cancel()
        await asyncio.wait([task])
        await one.close()


async def test_a_message_has_deliveries_made_at_once(
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    rows: Rows,
    customer: Customer,
    started: Any,
    owner: Any,
):
    monkeypatch.setattr(fan_out, "_LOOK_INTERVAL", 3600.0)
    made = await started()
    redis = Redis.from_url(environment["REDIS_URL"])
    # The first look of all is over when it has found this one.
    first = ended(customer.id, URL)
    await asyncio.to_thread(rows.store, first)
    await wakeups.publish_done(redis, [], [customer.id])
    await _until_made(owner, first.task_id)
    second = ended(customer.id, URL)
    await asyncio.to_thread(rows.store, second)
    await wakeups.publish_done(redis, [second.task_id], [customer.id, customer.id])
    await _until_made(owner, second.task_id)
    assert len(made) == 2
    await redis.aclose()


@pytest.mark.parametrize("redis_url", [None, _NO_REDIS], ids=["message lost", "Redis away"])
async def test_without_a_message_a_look_finds_the_event(
    redis_url: str | None, rows: Rows, customer: Customer, started: Any, owner: Any
):
    made = await (started(redis_url) if redis_url else started())
    await asyncio.sleep(0.1)
    end = ended(customer.id, URL)
    await asyncio.to_thread(rows.store, end)
    assert await _until_made(owner, end.task_id) < (2.0 if redis_url else 5.0)
    assert len(made) == 1


async def test_a_tenant_with_many_events_keeps_none_waiting_that_only_a_look_finds(
    database: Database,
    rows: Rows,
    make_customer: Callable[[], Customer],
    neighbour: Customer,
    owner: Any,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(fan_out, "_LOOK_INTERVAL_WITHOUT_REDIS", 0.0)
    monkeypatch.setattr(fan_out, "_MAX_EVENTS", 1)
    busy, late = make_customer(), ended(neighbour.id, URL)
    await asyncio.to_thread(rows.store, *(ended(busy.id, URL) for _ in range(40)))
    rounds: list[int] = []

    def on_made() -> None:
        if not rounds:
            # In the middle of the round, and without a message. It is stored before the round goes on.
            with ThreadPoolExecutor(1) as aside:
                aside.submit(rows.store, late).result()
        rounds.append(len(rounds))

    await FanOut(database, _NO_REDIS, on_made).round()
    order = [row["tenant_id"] for row in await owner.fetch("SELECT tenant_id FROM delivery ORDER BY created_at")]
    assert len(order) == 41
    assert order.index(neighbour.id) < 5


async def test_a_tenant_whose_event_cannot_become_a_delivery_keeps_no_other_waiting(
    rows: Rows, customer: Customer, neighbour: Customer, started: Any, owner: Any, caplog: pytest.LogCaptureFixture
):
    await owner.execute("ALTER TABLE delivery ADD CONSTRAINT no_poison CHECK (url <> 'https://poison.example.com/')")
    try:
        ends = ended(customer.id, "https://poison.example.com/"), ended(neighbour.id, URL)
        await asyncio.to_thread(rows.store, *ends)
        await started(_NO_REDIS)
        await _until_made(owner, ends[1].task_id)
        async with asyncio.timeout(10):
            while "an event does not become a delivery" not in caplog.text:  # noqa: ASYNC110 a log line
                await asyncio.sleep(0.01)
    finally:
        await owner.execute("ALTER TABLE delivery DROP CONSTRAINT no_poison")
    # It is made once its fault is gone.
    await _until_made(owner, ends[0].task_id)
