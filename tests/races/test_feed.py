"""The reader of the event log: nothing is skipped or told twice, and what is lost is said."""

import asyncio
import random
import re
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.broker.wakeups import Waiters, publish_done
from app.core.errors import CursorLost
from app.core.redis import connect
from app.db import Database
from app.events import cursor, feed, store
from app.events.ask import Ask, LogPage
from app.events.cursor import NOW, OLDEST, Position
from app.events.reader import LogReader
from app.events.tail import Tails
from app.events.types import EventType
from app.tasks.run.attempts import AttemptEnd, Outcome
from app.tasks.run.end import cancel, end
from tests.claims import claim_for
from tests.races.conftest import Yard

NOWHERE = "redis://127.0.0.1:1"


@pytest.fixture
async def api(yard: Yard) -> AsyncIterator[Database]:
    database = yard.database("tq_api", 4)
    yield database
    await database.close()


@asynccontextmanager
async def reading(database: Database, redis_url: str) -> AsyncIterator[LogReader]:
    """Run a reader, whose messages come from this Redis."""
    waiters = Waiters(redis_url)
    await waiters.start()
    reader = LogReader(database, waiters)
    looking = asyncio.create_task(reader.run())
    try:
        yield reader
    finally:
        looking.cancel()
        await asyncio.wait([looking])
        await reader.close()
        await waiters.close()


@pytest.fixture
async def reader(api: Database) -> AsyncIterator[LogReader]:
    """A reader to which no message comes."""
    async with reading(api, NOWHERE) as made:
        yield made


def asking(tenant_id: UUID, after: Position = OLDEST, **changes: Any) -> Ask:
    return replace(Ask(tenant_id, after, 24, 100), **changes)


async def _events(yard: Yard, tenant_id: UUID, count: int = 1, *, age: timedelta = timedelta()) -> list[UUID]:
    """Write so many events as an end does, at a time in the past; return their tasks."""
    made = [uuid.uuid4() for _ in range(count)]
    await yard.owner.execute(
        "WITH counted AS (UPDATE tenant_slots SET event_seq = event_seq + $2 WHERE tenant_id = $1 RETURNING event_seq - $2 AS before)"
        " INSERT INTO event (tenant_id, seq, type, subject, attempt, created_at)"
        " SELECT $1, c.before + u.number, 3, u.id, 0, now() - $4::interval"
        " FROM counted c, unnest($3::uuid[]) WITH ORDINALITY AS u (id, number)",
        tenant_id, count, made, age,
    )  # fmt: skip
    return made


def _subjects(page: LogPage) -> list[str]:
    return [text.partition('"task_id":"')[2][:36] for _, text in page.items]


async def _all(reader: LogReader, ask: Ask) -> list[str]:
    found: list[str] = []
    while True:
        page = await reader.page(ask)
        found += _subjects(page)
        if page.is_at_head:
            return found
        ask = replace(ask, after=page.place)


async def test_a_reader_skips_nothing_while_transactions_commit_late_and_some_roll_back(
    yard: Yard, api: Database, reader: LogReader
):
    tenant_id, chance, finished = await yard.tenant(), random.Random(11), asyncio.Event()
    waiting = await yard.tasks(tenant_id, 120)
    committed: list[str] = []

    async def write(tasks: list[UUID]) -> None:
        worker = yard.database("tq_api", 1)
        for task_id in tasks:
            try:
                async with worker.transaction(tenant_id) as connection:
                    await connection.fetch(
                        "SELECT * FROM waiting_revoke($1, $2, $3, false)", tenant_id, task_id, {"type": "x"}
                    )
                    # The number is taken, and the transaction stays open: a later one must not be seen before it.
                    await asyncio.sleep(chance.random() * 0.02)
                    if chance.random() < 0.25:
                        await connection.execute("SELECT 1 / 0")
            except asyncpg.DivisionByZeroError:
                continue
            committed.append(str(task_id))
        await worker.close()

    async def read() -> list[str]:
        ask, found = asking(tenant_id, limit=7), []
        while True:
            is_last = finished.is_set()
            page = await reader.page(ask)
            found += _subjects(page)
            ask = replace(ask, after=page.place)
            if is_last and page.is_at_head:
                return found

    reads = [asyncio.create_task(read()) for _ in range(3)]
    await asyncio.gather(*(write(waiting[start::4]) for start in range(4)))
    finished.set()
    rows = await yard.owner.fetch("SELECT subject FROM event WHERE tenant_id = $1 ORDER BY seq", tenant_id)
    in_order = [str(row["subject"]) for row in rows]
    assert sorted(in_order) == sorted(committed)
    for found in await asyncio.gather(*reads):
        assert found == in_order


async def test_readers_that_ask_together_get_pages_of_their_own_tenants(yard: Yard, reader: LogReader):
    tenants = [await yard.tenant() for _ in range(5)]
    made = {tenant_id: await _events(yard, tenant_id, 3) for tenant_id in tenants}
    pages = await asyncio.gather(*(reader.page(asking(tenant_id)) for tenant_id in tenants for _ in range(3)))
    for page, tenant_id in zip(pages, (tenant_id for tenant_id in tenants for _ in range(3)), strict=True):
        assert _subjects(page) == [str(task_id) for task_id in made[tenant_id]]
        assert page.tenant_id == tenant_id


async def test_without_policies_a_tenant_could_still_read_only_its_own(yard: Yard, api: Database):
    tenant_id, other = await yard.tenant(), await yard.tenant()
    await _events(yard, other, 2)
    async with api.statement() as connection:
        [row] = await store.pages_any_tenant(connection, [asking(tenant_id)])
    assert (row["outcome"], row["head"], row["seq"]) == ("page", 0, 0)


@pytest.mark.parametrize("how", ["shorter", "another event"])
async def test_a_cursor_of_a_database_that_was_set_back_is_lost(yard: Yard, reader: LogReader, how: str):
    tenant_id = await yard.tenant()
    await _events(yard, tenant_id, 5)
    page = await reader.page(asking(tenant_id))
    await yard.owner.execute("DELETE FROM event WHERE tenant_id = $1 AND seq > 3", tenant_id)
    await yard.owner.execute("UPDATE tenant_slots SET event_seq = 3 WHERE tenant_id = $1", tenant_id)
    if how == "another event":
        await _events(yard, tenant_id, 4)
    with pytest.raises(CursorLost) as lost:
        await reader.page(asking(tenant_id, page.place))
    oldest = cursor.decode(tenant_id, lost.value.extensions["oldest_cursor"])
    again = await reader.page(asking(tenant_id, oldest))
    assert [item.place.seq for item in again.items] == list(range(1, 8 if how == "another event" else 4))


async def test_what_is_older_than_event_hours_is_not_read_and_a_cursor_before_it_is_lost(yard: Yard, reader: LogReader):
    tenant_id = await yard.tenant()
    await _events(yard, tenant_id, 6, age=timedelta(hours=30))
    first = await reader.page(asking(tenant_id, hours=48, limit=2))
    at_the_end = await reader.page(asking(tenant_id, hours=48))
    kept = await _events(yard, tenant_id, 3, age=timedelta(hours=23))
    assert _subjects(await reader.page(asking(tenant_id))) == [str(task_id) for task_id in kept]
    # Whoever has read all that is gone has missed nothing.
    assert _subjects(await reader.page(asking(tenant_id, at_the_end.place))) == [str(task_id) for task_id in kept]
    with pytest.raises(CursorLost) as lost:
        await reader.page(asking(tenant_id, first.place))
    oldest = cursor.decode(tenant_id, lost.value.extensions["oldest_cursor"])
    assert oldest.seq == 6
    assert len((await reader.page(asking(tenant_id, oldest))).items) == 3


async def test_a_reader_who_has_read_all_keeps_its_cursor_when_the_days_are_dropped(yard: Yard, reader: LogReader):
    tenant_id = await yard.tenant()
    await _events(yard, tenant_id, 3, age=timedelta(hours=30))
    page = await reader.page(asking(tenant_id, hours=48))
    await yard.owner.execute("DELETE FROM event WHERE tenant_id = $1", tenant_id)
    again = await reader.page(asking(tenant_id, page.place))
    assert (again.items, again.place, again.is_at_head) == ([], page.place, True)
    empty = await reader.page(asking(tenant_id))
    assert (empty.items, empty.place.seq) == ([], 3)
    made = await _events(yard, tenant_id)
    for place in (page.place, empty.place):
        assert _subjects(await reader.page(asking(tenant_id, place))) == [str(made[0])]


async def test_a_filter_that_matches_nothing_reads_a_window_and_gives_a_cursor(yard: Yard, reader: LogReader):
    tenant_id = await yard.tenant()
    await _events(yard, tenant_id, store.WINDOW + 500)
    ask = asking(tenant_id, type=EventType.TASK_SUCCEEDED)
    page = await reader.page(ask)
    assert (page.items, page.place.seq, page.is_at_head) == ([], store.WINDOW, False)
    page = await reader.page(replace(ask, after=page.place))
    assert (page.items, page.place.seq, page.is_at_head) == ([], store.WINDOW + 500, True)
    assert len(await _all(reader, replace(ask, type=EventType.TASK_REVOKED, limit=64))) == store.WINDOW + 500


async def test_a_page_from_now_is_empty_and_the_next_has_what_came(yard: Yard, reader: LogReader):
    tenant_id = await yard.tenant()
    await _events(yard, tenant_id, 3)
    page = await reader.page(asking(tenant_id, NOW))
    assert (page.items, page.place.seq) == ([], 3)
    made = await _events(yard, tenant_id)
    assert _subjects(await reader.page(asking(tenant_id, page.place))) == [str(made[0])]


async def test_a_message_wakes_the_readers_of_its_tenant_and_nobody_else(yard: Yard, api: Database):
    tenant_id, other = await yard.tenant(), await yard.tenant()
    redis = connect(yard.environment["REDIS_URL"])
    async with reading(api, yard.environment["REDIS_URL"]) as reader:
        with reader.watch(tenant_id) as watch, reader.watch(other) as of_other:
            watch.seq = of_other.seq = 0
            await publish_done(redis, [uuid.uuid4()], tenants=[tenant_id])
            assert await watch.hear(5)
            assert not await of_other.hear(0.01)
    await redis.aclose()


async def test_without_redis_all_readers_are_woken_by_one_look(yard: Yard, reader: LogReader):
    tenants = [await yard.tenant() for _ in range(3)]
    with reader.watch(tenants[0]) as first, reader.watch(tenants[1]) as second, reader.watch(tenants[2]) as third:
        first.seq = second.seq = third.seq = 0
        for watch in (first, second, third):
            # The loss of Redis itself wakes everybody once.
            await watch.hear(0.5)
        await _events(yard, tenants[0])
        await _events(yard, tenants[2])
        assert await first.hear(5)
        assert await third.hear(5)
        assert not await second.hear(0.01)


async def test_ends_of_workers_wake_the_readers_of_their_tenant(yard: Yard, api: Database):
    tenant_id, worker = await yard.tenant(), yard.database("tq_worker", 1)
    await yard.tasks(tenant_id, 1)
    [claim] = await claim_for(worker, tenant_id, pool="prefork", worker_id=uuid.uuid4())
    async with reading(api, NOWHERE) as reader:
        page = await reader.page(asking(tenant_id))
        await end(worker, [AttemptEnd(claim, Outcome("SUCCESS", "SUCCESS", result="1"))])
        assert _subjects(await reader.page(asking(tenant_id, page.place))) == [str(claim.task_id)]
    await worker.close()


async def test_an_erased_task_leaves_its_event(yard: Yard, api: Database, reader: LogReader):
    tenant_id = await yard.tenant()
    [task_id] = await yard.tasks(tenant_id, 1)
    assert await cancel(api, tenant_id, task_id) == "REVOKED"
    await yard.owner.execute("DELETE FROM task WHERE tenant_id = $1", tenant_id)
    [item] = (await reader.page(asking(tenant_id))).items
    assert f'"task_id":"{task_id}","task":null,"status":"REVOKED"' in item.text


async def _first(stream: AsyncGenerator[bytes, None], count: int) -> list[str]:
    """Read a stream until it has sent so many events; return their tasks."""
    found: list[str] = []
    async with asyncio.timeout(20):
        async for chunk in stream:
            found += re.findall(r'"task_id":"([^"]+)"', chunk.decode())
            if len(found) >= count:
                break
    return found


async def test_streams_that_begin_at_any_place_share_a_tail_and_get_each_event_once(yard: Yard, reader: LogReader):
    tenant_id, tails = await yard.tenant(), Tails(reader)
    made = await _events(yard, tenant_id, 250)
    places = [OLDEST, NOW, *[(await reader.page(asking(tenant_id, limit=limit))).place for limit in (7, 99)]]
    streams = []
    for place in places:
        ask = asking(tenant_id, place)
        streams.append(feed.stream(reader, tails, ask, await reader.page(ask)))
    wanted = [350, 100, 343, 251]
    reads = [asyncio.create_task(_first(each, count)) for each, count in zip(streams, wanted, strict=True)]
    for _ in range(20):
        made += await _events(yard, tenant_id, 5)
        await asyncio.sleep(0.01)
    for read, count in zip(reads, wanted, strict=True):
        assert await read == [str(task_id) for task_id in made[350 - count :]]
    for each in streams:
        await each.aclose()
    assert tails._tails == {}


async def test_a_stream_whose_events_are_lost_ends(yard: Yard, reader: LogReader):
    tenant_id, tails = await yard.tenant(), Tails(reader)
    await _events(yard, tenant_id, 5)
    ask = asking(tenant_id, NOW)
    stream = feed.stream(reader, tails, ask, await reader.page(ask))
    assert (await anext(stream)).startswith(b"id: ")
    await yard.owner.execute("DELETE FROM event WHERE tenant_id = $1 AND seq > 2", tenant_id)
    await yard.owner.execute("UPDATE tenant_slots SET event_seq = 2 WHERE tenant_id = $1", tenant_id)
    async with asyncio.timeout(20):
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
    assert tails._tails == {}


async def test_a_stream_outlives_a_short_absence_of_postgres(yard: Yard):
    tenant_id, api = await yard.tenant(), yard.database("tq_api", 1)
    async with reading(api, NOWHERE) as reader:
        ask = asking(tenant_id, NOW)
        stream = feed.stream(reader, Tails(reader), ask, await reader.page(ask))
        assert (await anext(stream)).startswith(b"id: ")
        read = asyncio.create_task(_first(stream, 1))
        # Whoever needs the only connection is told after 1.5 s that Postgres is away.
        async with api.connection():
            made = await _events(yard, tenant_id)
            await asyncio.sleep(2.5)
            assert not read.done()
        assert await read == [str(made[0])]
        await stream.aclose()
    await api.close()
