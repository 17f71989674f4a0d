"""Real ``celery worker`` processes on the ring."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import redis.asyncio
from celery import Celery
from redis import Redis
from redis.exceptions import OutOfMemoryError

from app.broker import redis_identity, tickets
from tests.broker.processes import Valkey, Worker, eventually
from tests.broker.ring_helpers import RING, batch, is_sound, publish, put, tenants


def runs(store: Redis) -> list[tuple[str, UUID]]:
    """List what ran: the worker's name and the tenant, in order."""
    words = [str(line).split() for line in store.lrange("ran", 0, -1)]
    return [(worker, UUID(tenant)) for worker, tenant in words]


def wait_for_runs(store: Redis, count: int) -> list[tuple[str, UUID]]:
    eventually(lambda: store.llen("ran") >= count)
    return runs(store)


def wait_until_idle(app: Celery, workers: dict[str, Worker]) -> None:
    """Wait until every slot of the workers is free."""
    names = [worker.name for worker in workers.values()]
    inspect = app.control.inspect(destination=names, limit=len(names))
    eventually(lambda: inspect.active() == {name: [] for name in names})


async def test_offered_ticket_runs(aserved: redis.asyncio.Redis, served: Redis) -> None:
    tenant = uuid4()
    assert await tickets.offer(aserved, tenant)
    assert wait_for_runs(served, 1) == [("shared", tenant)]


def test_published_tickets_run_single_and_batched(served_broker: Celery, served: Redis) -> None:
    single, *batched = tenants(4)
    publish(served_broker, single)
    with batch(served_broker) as producer:
        for tenant in batched:
            publish(served_broker, tenant, producer=producer)
    assert sorted(wait_for_runs(served, 4)) == sorted(("shared", tenant) for tenant in (single, *batched))


def test_light_tenant_is_not_stuck_behind_a_heavy_one(served: Redis) -> None:
    served.set("pause", "0.01")
    heavy, light = tenants(2)
    queue = put(served, heavy, 100)
    wait_for_runs(served, 4)
    put(served, light)
    before = served.llen("ran")
    eventually(lambda: ("shared", light) in runs(served))
    # Two slots: at most what had been taken already, and one task of the heavy one.
    assert runs(served).index(("shared", light)) - before <= 4
    assert served.llen(queue) > 50
    served.delete(queue)


def test_worker_takes_all_it_can_start_at_once(
    served_broker: Celery, served: Redis, workers: dict[str, Worker]
) -> None:
    wait_until_idle(served_broker, workers)
    # The tickets that other tests left in the ring have been swept: each worker waits.
    eventually(lambda: served.info("clients")["blocked_clients"] == len(workers))
    served.config_resetstat()
    put(served, uuid4(), 2)
    wait_for_runs(served, 2)
    assert served.info("commandstats")["cmdstat_evalsha"]["calls"] == 1


def test_worker_takes_no_more_than_it_can_start(
    served_broker: Celery, served: Redis, workers: dict[str, Worker]
) -> None:
    wait_until_idle(served_broker, workers)
    served.set("pause", "0.2")
    put(served, uuid4())
    wait_for_runs(served, 1)
    queue = put(served, uuid4(), 5)
    wait_for_runs(served, 2)
    assert served.llen(queue) == 4
    served.set("pause", "0")
    wait_for_runs(served, 6)


def test_dedicated_worker_runs_its_own_tenant_beside_the_shared_one(
    served_broker: Celery, served: Redis, workers: dict[str, Worker], dedicated_tenant: UUID
) -> None:
    wait_until_idle(served_broker, workers)
    served.set("pause", "0.01")
    [other] = tenants(1)
    put(served, dedicated_tenant, 30)
    put(served, other, 30)
    ran = wait_for_runs(served, 60)
    assert {worker for worker, tenant in ran if tenant == other} == {"shared"}
    assert {worker for worker, tenant in ran if tenant == dedicated_tenant} == {"shared", "dedicated"}
    assert len(ran) == 60


def test_workers_answer_to_inspect(served_broker: Celery, workers: dict[str, Worker]) -> None:
    names = [worker.name for worker in workers.values()]
    inspect = served_broker.control.inspect(destination=names, limit=len(names))
    assert inspect.ping() == {name: {"ok": "pong"} for name in names}
    queues = inspect.active_queues()
    assert queues is not None
    assert [queue["name"] for queue in queues[workers["shared"].name]] == [RING.queue]


def test_workers_leave_no_unacked_messages_and_no_bindings_of_tenants(served: Redis) -> None:
    for tenant in tenants(5):
        put(served, tenant, 2)
    wait_for_runs(served, 10)
    assert not served.keys("*unacked*")
    assert not served.keys("tenant.*")
    # Celery's remote control has a binding.
    assert [key for key in served.keys("_kombu.binding.*") if "pidbox" not in key] == []


async def test_workers_go_on_after_a_flushall(aserved: redis.asyncio.Redis, served: Redis) -> None:
    before = await redis_identity.read(aserved)
    await aserved.flushall()
    assert await redis_identity.read(aserved) != before
    tenant = uuid4()
    await tickets.offer(aserved, tenant)
    # A ticket that a worker held meanwhile, of another test, may run as well.
    eventually(lambda: ("shared", tenant) in runs(served))


@pytest.fixture
def survivor(own_valkey: Valkey, tmp_path: Path) -> Iterator[Valkey]:
    """A server that the test may hurt, with a worker on it."""
    worker = Worker(own_valkey.url(), "survivor", tmp_path / "log").wait_until_ready()
    yield own_valkey
    worker.stop()


def test_worker_goes_on_after_a_redis_that_lost_everything(survivor: Valkey) -> None:
    before, after = tenants(2)
    with Redis.from_url(survivor.url(), decode_responses=True) as store:
        put(store, before)
        wait_for_runs(store, 1)
    survivor.kill()
    survivor.start()
    with Redis.from_url(survivor.url(), decode_responses=True) as store:
        put(store, after)
        assert wait_for_runs(store, 1) == [("survivor", after)]
        assert is_sound(store)


def test_worker_takes_from_a_redis_that_is_full_and_goes_on_after_it(survivor: Valkey) -> None:
    before, meanwhile, after = tenants(3)
    with Redis.from_url(survivor.url(), decode_responses=True) as store:
        put(store, before)
        wait_for_runs(store, 1)
        with store.pipeline(transaction=True) as both:
            queue = put(both, meanwhile, 5)
            both.config_set("maxmemory", 1)
            both.execute()
        with pytest.raises(OutOfMemoryError):
            put(store, after)
        eventually(lambda: not store.exists(queue))
        assert is_sound(store)
        store.config_set("maxmemory", 0)
        put(store, after)
        eventually(lambda: after in [tenant for _, tenant in runs(store)])


def test_worker_that_drains_loses_no_ticket(own_valkey: Valkey, tmp_path: Path) -> None:
    worker = Worker(own_valkey.url(), "drained", tmp_path / "log").wait_until_ready()
    try:
        with Redis.from_url(own_valkey.url(), decode_responses=True) as store:
            tenant = uuid4()
            store.set("pause", "0.5")
            queue = put(store, tenant)
            wait_for_runs(store, 1)
            worker.process.terminate()
            offered = 1
            while not worker.has_ended_within(0.01):
                put(store, tenant)
                offered += 1
            assert store.llen(queue) + store.llen("ran") == offered
            assert store.llen("ran") <= 3
            assert is_sound(store)
    finally:
        worker.stop()
