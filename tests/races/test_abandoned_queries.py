"""What a caller no longer waits for ends on the server too, and its place in the pool is free only then."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import pytest
import uvloop

from app.core.errors import Unavailable
from app.db import Database
from app.tasks import store
from app.tasks.submit.new_tasks import NewTask
from tests.conftest import role_url
from tests.faults.proxy import Proxy, Weather
from tests.races.conftest import Yard, new_task, unlimited

SIZE = 3
# Of one statement, in seconds: what asks for more than that is abandoned.
PATIENCE = 0.3

_BACKENDS = "SELECT pid, state, wait_event FROM pg_stat_activity WHERE usename = $1 AND datname = 'races'"
_NAMES = "SHOW synchronous_standby_names"
_COUNT = "SELECT count(*) FROM task WHERE id = $1"


@pytest.fixture
async def api(yard: Yard) -> AsyncIterator[Database]:
    """A pool of three of the role that answers reads."""
    await _until(yard, "tq_api", lambda rows: not rows)
    made = Database("tq_api", size=SIZE, url=role_url(yard.environment, "tq_api"), command_timeout=PATIENCE)
    yield made
    await made.close()


async def _until(yard: Yard, role: str, holds: "Callable[[list[asyncpg.Record]], bool]", seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not holds(await yard.owner.fetch(_BACKENDS, role)):  # noqa: ASYNC110 the server's state
            await asyncio.sleep(0.02)


def _asleep(rows: "list[asyncpg.Record]") -> set[int]:
    return {row["pid"] for row in rows if row["wait_event"] == "PgSleep"}


def _is_quiet(rows: "list[asyncpg.Record]") -> bool:
    return all(row["state"] == "idle" for row in rows)


@asynccontextmanager
async def _most_backends(yard: Yard) -> AsyncIterator[list[int]]:
    """Count the role's backends again and again; the list's last item is the most there were."""
    counts = [0]

    async def count() -> None:
        observer = await asyncpg.connect(yard.environment["DATABASE_URL"])
        try:
            while True:
                counts.append(max(counts[-1], len(await observer.fetch(_BACKENDS, "tq_api"))))
                await asyncio.sleep(0.01)
        finally:
            await observer.close()

    counting = asyncio.create_task(count())
    try:
        yield counts
    finally:
        counting.cancel()
        await asyncio.wait([counting])


async def _sleep(api: Database, tenant_id: UUID, asked: "list[int] | None" = None) -> None:
    async with api.transaction(tenant_id) as connection:
        if asked is not None:
            asked.append(connection.get_server_pid())
        await connection.execute("SELECT pg_sleep(60)")


async def _sleep_alone(api: Database, _: UUID) -> None:
    async with api.statement() as connection:
        await connection.execute("SELECT pg_sleep(60)")


@pytest.mark.parametrize("query", [_sleep, _sleep_alone], ids=["in a transaction", "alone"])
async def test_queries_that_take_too_long_end_and_never_hold_more_than_the_pool(
    yard: Yard, api: Database, query: Callable[[Database, UUID], Awaitable[None]]
):
    tenant_id = await yard.tenant()
    async with _most_backends(yard) as counts:
        for _ in range(3):
            ended = await asyncio.gather(*(query(api, tenant_id) for _ in range(4 * SIZE)), return_exceptions=True)
            assert {type(one) for one in ended} == {Unavailable}
        await _until(yard, "tq_api", _is_quiet)
    assert 0 < counts[-1] <= SIZE
    async with api.transaction(tenant_id) as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def test_queries_of_callers_who_have_gone_end_and_never_hold_more_than_the_pool(yard: Yard, api: Database):
    tenant_id = await yard.tenant()
    async with _most_backends(yard) as counts:
        for _ in range(4):
            await _ask_and_go(yard, api, tenant_id)
        await _until(yard, "tq_api", _is_quiet)
    assert 0 < counts[-1] <= SIZE


async def _ask_and_go(yard: Yard, api: Database, tenant_id: UUID) -> None:
    asked: list[int] = []
    callers = [asyncio.create_task(_sleep(api, tenant_id, asked)) for _ in range(SIZE)]
    await _until(yard, "tq_api", lambda rows: set(asked) == _asleep(rows) and len(asked) == SIZE)
    for caller in callers:
        caller.cancel()
    await asyncio.wait(callers)


def test_the_same_holds_under_the_loop_of_the_api(own_database: dict[str, str]):
    async def run() -> None:
        owner = await asyncpg.connect(own_database["DATABASE_URL"])
        yard = Yard(owner, own_database)
        api = Database("tq_api", size=SIZE, url=role_url(own_database, "tq_api"), command_timeout=PATIENCE)
        try:
            await test_queries_that_take_too_long_end_and_never_hold_more_than_the_pool(yard, api, _sleep)
            await test_queries_of_callers_who_have_gone_end_and_never_hold_more_than_the_pool(yard, api)
        finally:
            await api.close()
            await owner.close()

    uvloop.run(run())


async def test_a_caller_waits_for_no_answer_that_it_has_given_up(yard: Yard, api: Database):
    tenant_id = await yard.tenant()
    caller = asyncio.create_task(_sleep_alone(api, tenant_id))
    await _until(yard, "tq_api", lambda rows: bool(_asleep(rows)))
    caller.cancel()
    await asyncio.wait([caller])
    # The server has not been heard: a cancel could meet a commit, so that only a time-out ends what is no transaction.
    [row] = await yard.owner.fetch(_BACKENDS, "tq_api")
    assert row["state"] == "active"
    await _until(yard, "tq_api", _is_quiet)


@pytest.fixture
def wire(yard: Yard) -> Iterator[Proxy]:
    """A line to Postgres."""
    made = Proxy(urlsplit(yard.environment["DATABASE_URL"]).port or 0)
    yield made
    made.close()


async def test_a_place_comes_back_from_a_server_that_never_answers(yard: Yard, wire: Proxy):
    tenant_id = await yard.tenant()
    url = urlsplit(role_url(yard.environment, "tq_api"))
    through = url._replace(netloc=f"{url.netloc.rpartition(':')[0]}:{wire.port}").geturl()
    api = Database("tq_api", size=1, url=through, command_timeout=PATIENCE)
    try:
        async with api.transaction(tenant_id) as connection:
            assert await connection.fetchval("SELECT 1") == 1
        wire.weather = Weather(is_swallowing=True)
        with pytest.raises(Unavailable):
            await _sleep(api, tenant_id)
        # The connection that has lost bytes stays as it is, and silent; new ones pass.
        wire.weather = Weather()
        async with asyncio.timeout(10):
            while not await _answers(api, tenant_id):  # noqa: ASYNC110 the pool's state
                await asyncio.sleep(0.05)
    finally:
        await api.close()


async def _answers(api: Database, tenant_id: UUID) -> bool:
    try:
        async with api.transaction(tenant_id) as connection:
            return bool(await connection.fetchval("SELECT 1") == 1)
    except Unavailable:
        return False


async def test_a_pool_closes_while_queries_are_given_up(yard: Yard):
    tenant_id = await yard.tenant()
    api = Database("tq_api", size=SIZE, url=role_url(yard.environment, "tq_api"), command_timeout=PATIENCE)
    await asyncio.gather(*(_sleep(api, tenant_id) for _ in range(SIZE)), return_exceptions=True)
    async with asyncio.timeout(7):
        await api.close()
    await _until(yard, "tq_api", lambda rows: not rows)


@pytest.mark.parametrize("is_cancelled", [False, True], ids=["timed out", "cancelled"])
async def test_a_commit_that_waits_for_a_standby_is_never_cut_short(yard: Yard, is_cancelled: bool):
    """Cut short, it would be seen by everybody and be on no standby: accepted, and lost with the server."""
    tenant_id = await yard.tenant()
    submit = Database("tq_submit", size=1, url=role_url(yard.environment, "tq_submit"), command_timeout=PATIENCE)
    owner = yard.owner
    task = new_task(tenant_id)
    try:
        await _standbys(yard, "nobody")
        caller = asyncio.create_task(_accept(submit, task))
        await _until(yard, "tq_submit", lambda rows: any(row["wait_event"] == "SyncRep" for row in rows))
        if is_cancelled:
            caller.cancel()
        with pytest.raises((Unavailable, asyncio.CancelledError)):
            await caller
        # Time in which a cancel would be heard.
        await asyncio.sleep(PATIENCE)
        [row] = await owner.fetch(_BACKENDS, "tq_submit")
        assert row["wait_event"] == "SyncRep"
        assert await owner.fetchval(_COUNT, task.id) == 0
    finally:
        await _standbys(yard, "")
        await submit.close()
    async with asyncio.timeout(10):
        while not await owner.fetchval(_COUNT, task.id):  # noqa: ASYNC110 the server's state
            await asyncio.sleep(0.02)


async def _accept(submit: Database, task: NewTask) -> None:
    async with submit.transaction(task.tenant_id) as connection:
        await store.accept_any_tenant(connection, {task.tenant_id: unlimited(1)}, [task])


async def _standbys(yard: Yard, names: str) -> None:
    await yard.owner.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
    await yard.owner.execute("SELECT pg_reload_conf()")
    async with asyncio.timeout(10):
        while await yard.owner.fetchval(_NAMES) != names:  # noqa: ASYNC110 the server's state
            await asyncio.sleep(0.02)
    # The checkpointer tells commits whether they have to wait. It reads the new setting before it begins a checkpoint.
    await yard.owner.execute("CHECKPOINT")
