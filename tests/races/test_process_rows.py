"""Rows of processes that have ended without a word."""

import uuid

from app.dispatch import slot_store
from app.processes import store
from tests.races.conftest import Yard

_ALIVE, _AGO, _AHEAD = (uuid.uuid5(uuid.NAMESPACE_OID, name) for name in ("alive", "ago", "ahead"))


async def test_the_dead_are_forgotten_on_either_side_of_the_clock(yard: Yard):
    await yard.owner.execute("DELETE FROM process_heartbeat")
    worker = yard.database("tq_worker", 1)
    async with worker.connection() as connection:
        for process_id, host in ((_ALIVE, "alive"), (_AGO, "ago"), (_AHEAD, "ahead")):
            await store.beat_any_tenant(connection, process_id, kind="dispatcher", hostname=host, pid=1, details={})
    for process_id, shift in ((_AGO, "-6 minutes"), (_AHEAD, "1 hour")):
        await yard.owner.execute(
            "UPDATE process_heartbeat SET heartbeat_at = now() + $2::text::interval WHERE id = $1", process_id, shift
        )
    async with worker.connection() as connection:
        await store.forget_any_tenant(connection)
    await worker.close()
    assert [row["hostname"] for row in await store.list_any_tenant(yard.owner)] == ["alive"]


async def test_slots_of_the_dead_do_not_count_on_either_side_of_the_clock(yard: Yard):
    await yard.owner.execute("DELETE FROM worker")
    for worker_id, slots, shift in ((_ALIVE, 1, "0"), (_AGO, 10, "-16 s"), (_AHEAD, 100, "1 hour")):
        await yard.owner.execute(
            "INSERT INTO worker (id, hostname, pool, slots, task_types, heartbeat_at)"
            " VALUES ($1, 'h', 'prefork', $2, '{}', now() + $3::text::interval)",
            worker_id, slots, shift,
        )  # fmt: skip
    assert await slot_store.slots_any_tenant(yard.owner) == {"prefork": 1}
