"""Tasks that wait for others: the database does what the model says, and nothing waits for ever."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.ids import FIRST
from app.db import Database, connect
from app.dispatch.due_tasks import DueTasks
from app.dispatch.held_tasks import HeldTasks
from app.tasks import held_store, store
from app.tasks.run import release
from app.tasks.run.attempts import AttemptEnd, Claim, Outcome
from app.tasks.run.end import cancel
from app.tasks.run.end import end as end_attempts
from app.tasks.submit.new_tasks import Dependency, Need
from tests.claims import claim_for
from tests.conftest import role_url
from tests.races.conftest import Yard, new_task, unlimited
from tests.races.held_model import ENDED, Model

_ERROR = {"type": "ValueError", "message": "a"}
_OUTCOMES = {
    "SUCCESS": Outcome("SUCCESS", "SUCCESS", result="1"),
    "FAILURE": Outcome("FAILURE", "FAILURE", error=_ERROR),
    "RETRY": Outcome("RETRY", "FAILURE", error=_ERROR),
    "REVOKED": Outcome("REVOKED", "REVOKED", error=_ERROR),
}


@dataclass
class House:
    """One tenant, and those who submit, claim, end and cancel its tasks."""

    yard: Yard
    tenant_id: UUID
    submit: Database
    worker: Database
    api: Database
    dispatch: "asyncpg.Connection[Any]"
    ids: list[UUID] = field(default_factory=list)
    """The tasks, in the order of their submits."""

    async def add(self, needs: dict[int, Need] | None = None, **changes: Any) -> UUID:
        """Submit a task that waits for earlier ones, by their numbers."""
        task = new_task(self.tenant_id, **changes)
        edges = [Dependency(task.id, self.ids[upstream], need) for upstream, need in (needs or {}).items()]
        async with self.submit.transaction(self.tenant_id) as connection:
            await store.accept_any_tenant(connection, {self.tenant_id: unlimited(1)}, [task])
            if edges:
                hold = held_store.hold_statement(self.tenant_id, edges)
                await connection.execute(hold.sql, *hold.arguments)
        self.ids.append(task.id)
        return task.id

    async def claim(self, limit: int = 1) -> list[Claim]:
        return await claim_for(self.worker, self.tenant_id, pool="prefork", worker_id=uuid.uuid4(), limit=limit)

    async def end(self, claims: Sequence[Claim], status: str = "SUCCESS") -> None:
        await end_attempts(self.worker, [AttemptEnd(claim, _OUTCOMES[status]) for claim in claims])

    async def run_all(self) -> int:
        """Run what can run until nothing can; return how many attempts it were."""
        runs = 0
        while claims := await self.claim(100):
            await self.end(claims)
            runs += len(claims)
        return runs

    async def states(self) -> list[str]:
        rows = await self.yard.owner.fetch("SELECT id, status FROM task WHERE tenant_id = $1", self.tenant_id)
        found = {row["id"]: row["status"] for row in rows}
        return [found[task_id] for task_id in self.ids]

    async def held(self) -> set[int]:
        rows = await self.yard.owner.fetch("SELECT task_id FROM held WHERE tenant_id = $1", self.tenant_id)
        return {self.ids.index(row["task_id"]) for row in rows}

    async def error(self, number: int) -> Any:
        return await self.yard.owner.fetchval(
            "SELECT error::jsonb ->> 'type' FROM task WHERE tenant_id = $1 AND id = $2",
            self.tenant_id,
            self.ids[number],
        )

    def sweep(self) -> HeldTasks:
        return HeldTasks(self.dispatch, self.worker)

    async def require_sound(self) -> None:
        """Fail if a counter differs from the rows, the log has gaps, or a held row is wrong."""
        off = await self.yard.owner.fetch("SELECT * FROM ledger_reconcile() WHERE tenant_id = $1", self.tenant_id)
        assert off == []
        seqs = await self.yard.owner.fetch("SELECT seq FROM event WHERE tenant_id = $1 ORDER BY seq", self.tenant_id)
        assert [row["seq"] for row in seqs] == list(range(1, len(seqs) + 1))
        found = await release.look_any_tenant(self.dispatch, (self.tenant_id, FIRST), 1_000)
        assert found.wrong.get(self.tenant_id, []) == []

    async def close(self) -> None:
        for database in (self.submit, self.worker, self.api):
            await database.close()
        await self.dispatch.close()


async def opened(yard: Yard, size: int = 1) -> House:
    """Return a house of a new tenant; the caller closes it."""
    return House(
        yard, await yard.tenant(), *(yard.database(role, size) for role in ("tq_submit", "tq_worker", "tq_api")),
        await asyncpg.connect(role_url(yard.environment, "tq_dispatch")),
    )  # fmt: skip


@pytest.fixture
async def house(yard: Yard) -> AsyncIterator[House]:
    made = await opened(yard, 4)
    yield made
    await made.close()


_NEEDS: Final[list[Need]] = ["success", "success", "failure", "finished"]
_ENDS: Final = ["SUCCESS", "SUCCESS", "FAILURE", "RETRY"]
_NAMES: Final = ["submit"] * 4 + ["claim"] * 2 + ["end"] * 3 + ["cancel"]


def acts_of(seed: int, count: int) -> list[tuple[str, Any]]:
    """Return acts for a seed. Lists that Hypothesis draws itself stay so short that hardly any condition breaks."""
    pick = random.Random(seed)
    arguments: dict[str, Callable[[], Any]] = {
        "submit": lambda: {back: pick.choice(_NEEDS) for back in pick.sample(range(1, 13), pick.randint(0, 3))},
        "claim": lambda: pick.randint(1, 4),
        "end": lambda: pick.choices(_ENDS, k=pick.randint(1, 3)),
        "cancel": lambda: pick.randint(0, 1_000),
    }
    return [(name, arguments[name]()) for name in pick.choices(_NAMES, k=count)]


@settings(max_examples=25)
@given(st.integers(0, 10**9), st.integers(1, 200), st.booleans())
def test_random_graphs_end_as_the_model_says(own_database: dict[str, str], seed: int, count: int, has_log: bool):
    asyncio.run(_compare(own_database, acts_of(seed, count), has_log=has_log))


async def _compare(environment: dict[str, str], acts: Any, *, has_log: bool) -> None:
    owner = await asyncpg.connect(environment["DATABASE_URL"])
    house = await opened(Yard(owner, environment))
    model, running = Model(), dict[int, Claim]()
    try:
        if not has_log:
            await owner.execute("UPDATE tenant_slots SET features = 0 WHERE tenant_id = $1", house.tenant_id)
        for name, argument in acts:
            await _act(house, model, running, name, argument)
            assert await house.states() == model.status
            assert await house.held() == model.held()
        await _drain(house, model, running)
        assert await house.states() == model.status
        assert set(model.status) <= ENDED
        attempts = await owner.fetch("SELECT task_id FROM attempt WHERE tenant_id = $1", house.tenant_id)
        assert len(attempts) == sum(model.runs)
        await house.require_sound()
        events = await owner.fetchval("SELECT count(*) FROM event WHERE tenant_id = $1 AND type < 4", house.tenant_id)
        assert events == (len(model.status) if has_log else 0)
    finally:
        await house.close()
        await owner.close()


async def _act(house: House, model: Model, running: dict[int, Claim], name: str, argument: Any) -> None:
    count = len(model.status)
    if name == "submit":
        needs = {count - back: need for back, need in argument.items() if back <= count}
        await house.add(needs)
        model.submit(needs)
    elif name == "claim":
        for claim in await house.claim(argument):
            number = house.ids.index(claim.task_id)
            model.claim(number)
            running[number] = claim
    elif name == "end":
        ending = [
            (number, running.pop(number), status) for number, status in zip(list(running), argument, strict=False)
        ]
        await end_attempts(house.worker, [AttemptEnd(claim, _OUTCOMES[status]) for _, claim, status in ending])
        for number, _, status in ending:
            model.end(number, status)
    elif count:
        await cancel(house.api, house.tenant_id, house.ids[argument % count])
        model.cancel(argument % count)


async def _drain(house: House, model: Model, running: dict[int, Claim]) -> None:
    await _act(house, model, running, "end", ["SUCCESS"] * len(running))
    while model.free():
        await _act(house, model, running, "claim", 5)
        await _act(house, model, running, "end", ["SUCCESS"] * len(running))


async def test_a_submit_that_waits_for_a_task_which_ends_meanwhile_is_not_forgotten(house: House):
    for _ in range(40):
        await house.add()
        [claim] = await house.claim()
        await asyncio.gather(house.end([claim]), house.add({len(house.ids) - 1: "success"}))
        assert await house.held() == set()
        assert await house.run_all() == 1
    await house.require_sound()


async def test_ends_that_meet_free_each_task_that_waits_for_them(house: House):
    for _ in range(60):
        await house.add()
    pick = random.Random(1)
    for _ in range(30):
        await house.add(dict.fromkeys(pick.sample(range(60), 6), "finished"))
    claims = await house.claim(60)
    await asyncio.gather(*(house.end(claims[place::12]) for place in range(12)))
    assert await house.held() == set()
    assert await house.run_all() == 30
    await house.require_sound()


async def test_cancels_and_ends_that_meet_do_not_deadlock(house: House):
    for _ in range(20):
        await house.add()
        await house.add({len(house.ids) - 1: "failure"})
        await house.add({len(house.ids) - 1: "finished"})
    claims = await house.claim(20)
    acts = [house.end([claim], "FAILURE") for claim in claims]
    acts += [_cancel(house, number) for number in range(1, 60, 3)]
    await asyncio.gather(*acts)
    await house.run_all()
    assert set(await house.states()) <= ENDED
    await house.require_sound()


async def _cancel(house: House, number: int) -> None:
    await cancel(house.api, house.tenant_id, house.ids[number])


async def test_a_long_chain_that_is_broken_ends_in_parts_and_the_dispatcher_goes_on(house: House):
    await house.add()
    for number in range(250):
        await house.add({number: "success"})
    await house.end(await house.claim(), "FAILURE")
    # 100 rounds, and the next one is marked.
    assert (await house.states()).count("REVOKED") == 100
    sweep, ended = house.sweep(), 0
    while more := [each for each in await sweep.end_doomed() if each[0] == house.tenant_id]:
        ended += len(more)
    assert ended == 150
    assert (await house.states()).count("REVOKED") == 250
    assert await house.error(250) == "DependencyFailed"
    await house.require_sound()


async def test_many_that_wait_for_one_end_in_parts(house: House):
    await house.add()
    for _ in range(1_050):
        await house.add({0: "success"})
    await house.end(await house.claim(), "FAILURE")
    assert (await house.states()).count("REVOKED") == 1_000
    assert len([each for each in await house.sweep().end_doomed() if each[0] == house.tenant_id]) == 50


async def test_the_sweep_finds_a_wrong_counter_and_corrects_it(house: House, caplog: pytest.LogCaptureFixture):
    await house.add()
    await house.add()
    for _ in range(3):
        await house.add({0: "success", 1: "finished"})
    owner, plant = house.yard.owner, "UPDATE held SET remaining = $2 WHERE task_id = $1"
    # Too many: it would wait for ever. Too few: it would start too early.
    await owner.execute(plant, house.ids[2], 7)
    await owner.execute(plant, house.ids[3], 1)
    assert await _correct(house) == 2
    assert sum(record.message == "held task repaired" for record in caplog.records) == 2
    assert (
        await owner.fetchval("SELECT count(*) FROM held WHERE tenant_id = $1 AND remaining = 2", house.tenant_id) == 3
    )
    # One that no end will look at again.
    claims = {claim.task_id: claim for claim in await house.claim(2)}
    await house.end([claims[house.ids[1]]])
    await owner.execute(plant, house.ids[4], 9)
    await house.end([claims[house.ids[0]]])
    assert await house.held() == {4}
    assert await _correct(house) == 1
    assert await house.run_all() == 3
    assert await _correct(house) == 0
    await house.require_sound()


async def test_the_sweep_finds_a_task_whose_condition_broke_unseen(house: House):
    await house.add()
    await house.add({0: "success"})
    # The mark by which an end knows that somebody waits is lost.
    await house.yard.owner.execute("UPDATE task SET gates = 0 WHERE id = $1", house.ids[0])
    await house.end(await house.claim(), "FAILURE")
    assert await house.held() == {1}
    assert await _correct(house) == 1
    await house.sweep().end_doomed()
    assert await house.states() == ["FAILURE", "REVOKED"]
    await house.require_sound()


async def _correct(house: House) -> int:
    return await house.sweep().correct()


async def test_a_tenant_without_held_tasks_loses_its_mark(house: House):
    async def features() -> int:
        return await house.yard.owner.fetchval(
            "SELECT features FROM tenant_slots WHERE tenant_id = $1", house.tenant_id
        )

    await house.add()
    await house.add({0: "finished"})
    assert await features() == 5
    await _correct(house)
    assert await features() == 5
    await house.run_all()
    await _correct(house)
    assert await features() == 1


async def test_a_held_task_expires(house: House):
    await house.add()
    await house.add({0: "success"}, expires_seconds=3600.0)
    await house.add({1: "finished"})
    await house.yard.owner.execute("UPDATE held SET expires_at = now() WHERE task_id = $1", house.ids[1])
    assert (house.tenant_id, house.ids[1]) in await DueTasks(house.dispatch, house.worker).end_expired()
    assert await house.states() == ["PENDING", "REVOKED", "PENDING"]
    assert await house.error(1) == "Expired"
    assert await house.held() == set()
    await house.require_sound()


async def test_held_tasks_count_as_waiting_and_with_their_tenant_they_are_erased(house: House):
    await house.add()
    await house.add({0: "success"})
    owner = house.yard.owner
    waiting = "SELECT a.admitted + s.returned - s.departed FROM tenant_slots s JOIN tenant_admitted a USING (tenant_id)"
    assert await owner.fetchval(f"{waiting} WHERE s.tenant_id = $1", house.tenant_id) == 2
    await house.require_sound()
    await owner.execute("UPDATE tenant SET status = 'deleted' WHERE id = $1", house.tenant_id)
    erased: dict[str, int] = {}
    while "tenant" not in erased:
        erased |= dict(await owner.fetch("SELECT name, erased FROM erase_tenant($1, 100)", house.tenant_id))
    assert (erased["held"], erased["dependency"]) == (1, 1)


async def test_what_a_deleted_task_waited_for_is_forgotten(house: House):
    await house.add()
    await house.add({0: "success"})
    await house.run_all()
    owner = house.yard.owner
    await owner.execute("ALTER TABLE task DISABLE TRIGGER task_terminal")
    await owner.execute(
        "UPDATE task SET finished_at = now() - interval '999 days' WHERE tenant_id = $1", house.tenant_id
    )
    await owner.execute("ALTER TABLE task ENABLE TRIGGER task_terminal")
    # Ids contain their time: both are of long ago.
    for number, task_id in enumerate(house.ids):
        old = UUID(int=(1_600_000_000_000 << 80) | (7 << 76) | (2 << 62) | number)
        await owner.execute("UPDATE task SET id = $2 WHERE id = $1", task_id, old)
        await owner.execute("UPDATE dependency SET upstream_id = $2 WHERE upstream_id = $1", task_id, old)
        await owner.execute("UPDATE dependency SET downstream_id = $2 WHERE downstream_id = $1", task_id, old)
    assert await owner.fetchval("SELECT prune_tasks($1, now() - interval '900 days', 100)", house.tenant_id) == 2
    assert await owner.fetchval("SELECT count(*) FROM dependency WHERE tenant_id = $1", house.tenant_id) == 0


async def test_a_task_of_another_tenant_is_an_unknown_one(house: House):
    other = await house.yard.tenant()
    [foreign] = await house.yard.tasks(other, 1)
    house.ids.append(foreign)
    with pytest.raises(asyncpg.PostgresError) as refused:
        await house.add({0: "finished"})
    assert (refused.value.sqlstate, refused.value.detail) == (held_store.UNKNOWN, str(foreign))  # type: ignore[attr-defined]
    assert await house.yard.owner.fetchval("SELECT count(*) FROM task WHERE tenant_id = $1", house.tenant_id) == 0
    await house.require_sound()


_READS = """
SELECT sum(coalesce(idx_scan, 0) + coalesce(seq_scan, 0))::bigint FROM pg_stat_xact_user_tables
WHERE relname IN ('held', 'dependency')
"""


async def test_the_ends_of_a_tenant_that_holds_nothing_look_at_no_table_of_held_tasks(house: House):
    connection = await connect(house.yard.environment["DATABASE_URL"])
    try:
        for _ in range(4):
            await house.add()
        [first, *others] = await house.claim(3)
        async with connection.transaction():
            await connection.execute("SELECT set_config('app.tenant_ids', $1, true)", f"{{{house.tenant_id}}}")
            await store.finish_any_tenant(connection, [AttemptEnd(first, _OUTCOMES["SUCCESS"])])
            await store.finish_any_tenant(connection, [AttemptEnd(claim, _OUTCOMES["FAILURE"]) for claim in others])
            assert await store.revoke_waiting(connection, house.tenant_id, house.ids[3:], {})
            await connection.fetch("SELECT * FROM task_statuses($1, $2, 1, 1)", [house.tenant_id] * 4, house.ids)
            assert await connection.fetchval(_READS) == 0
        # It counts what it should: with a task that waits, the tables are read.
        await house.add()
        await house.add({4: "success"})
        [last] = await house.claim()
        async with connection.transaction():
            await store.finish_any_tenant(connection, [AttemptEnd(last, _OUTCOMES["SUCCESS"])])
            assert await connection.fetchval(_READS) > 0
    finally:
        await connection.close()
