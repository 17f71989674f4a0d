"""A worker of the asyncio pool: many attempts on one loop, each with its own limits, and none in another's way."""

import signal
import time
from collections.abc import Iterator
from uuid import UUID

import psutil
import pytest
from redis import Redis

from app.broker.ring import ASYNCIO, queue_name
from tests.conftest import Servers, Stack, Tenant, wait_until

_POOL = ("--pool", "threads", "--concurrency", "4", "-Q", "tenants.io")


@pytest.fixture(scope="module")
def pool_of_one(stack: Stack) -> Iterator[Stack]:
    """Stop the worker when the last of these tests has ended."""
    yield stack
    if "io" in stack.processes:
        stack.stop("io")
    stack.wait_for_workers(1)


@pytest.fixture
def io_worker(pool_of_one: Stack) -> Stack:
    """Run one beside the usual worker, and anew where a test that stopped it has failed."""
    if "io" not in pool_of_one.processes:
        pool_of_one.start_worker("io", *_POOL)
        pool_of_one.wait_for_workers(2)
    return pool_of_one


def _attempts(tenant: Tenant, task_id: str) -> list[str]:
    return [attempt["status"] for attempt in tenant.client.get(f"/api/tasks/{task_id}").json()["attempts"]]


@pytest.mark.usefixtures("io_worker")
@pytest.mark.parametrize(
    ("raises", "status", "attempts"),
    [
        ("retry", "SUCCESS", ["FAILURE", "SUCCESS"]),
        ("failure", "FAILURE", ["FAILURE"]),
        ("snooze", "SUCCESS", ["RETURNED", "SUCCESS"]),
    ],
)
def test_code_decides_what_follows(acme: Tenant, raises: str, status: str, attempts: list[str]):
    task_id = acme.submit(task="test.io.control", payload={"raises": raises, "after": 1, "times": 1})
    assert (acme.result(task_id)["status"], _attempts(acme, task_id)) == (status, attempts)


@pytest.mark.usefixtures("io_worker")
def test_many_tasks_of_several_tenants_run_at_once(acme: Tenant, globex: Tenant):
    count = 60
    submitted = [
        (tenant, tenant.submit(task="test.io.meet", payload={"a": count, "b": 0})) for tenant in (acme, globex) * 30
    ]
    # None of them ends before all of them run.
    assert {tenant.result(task_id)["result"] for tenant, task_id in submitted} == {count}


@pytest.mark.usefixtures("io_worker")
def test_code_is_told_of_its_soft_limit_and_may_clean_up(acme: Tenant):
    ended = acme.result(acme.submit(task="test.io.limited"))
    assert (ended["status"], ended["result"]) == ("SUCCESS", "the attempt ran for more than 0.3 s")


@pytest.mark.usefixtures("io_worker")
@pytest.mark.parametrize(
    ("task", "error_type"), [("test.io.deaf", "TimeLimitExceeded"), ("test.io.exit", "TaskCrashed")]
)
def test_a_poisonous_task_fails_alone(acme: Tenant, globex: Tenant, task: str, error_type: str):
    poison = acme.submit(task=task)
    others = [globex.submit(task="test.io.sleep", payload={"a": 0, "b": n}) for n in range(4)]
    ended = acme.result(poison)
    assert (ended["status"], ended["error"]["type"]) == ("FAILURE", error_type)
    assert [globex.result(other)["result"] for other in others] == [0, 1, 2, 3]


@pytest.mark.usefixtures("io_worker")
def test_a_failed_attempt_is_tried_again_and_progress_is_kept(acme: Tenant):
    task_id = acme.submit(task="test.io.progress", payload={"a": 1, "b": 2})
    assert acme.result(task_id)["result"] == 3
    assert _attempts(acme, task_id) == ["FAILURE", "SUCCESS"]
    assert acme.status(task_id)["progress"] == {"done": 1, "total": 2, "note": "half"}


@pytest.mark.usefixtures("io_worker")
def test_a_running_task_is_cancelled(acme: Tenant):
    task_id = acme.submit(task="test.io.sleep", payload={"a": 60, "b": 0})
    wait_until(lambda: acme.status(task_id)["status"] == "STARTED", "the start")
    assert acme.client.post(f"/api/tasks/{task_id}/cancel").status_code == 202
    assert acme.result(task_id)["status"] == "REVOKED"
    assert _attempts(acme, task_id) == ["REVOKED"]


@pytest.mark.usefixtures("io_worker")
def test_an_event_is_written_with_the_end(acme: Tenant):
    task_id = acme.submit(
        task="test.io.sleep", payload={"a": 0, "b": 1}, webhook_url="http://127.0.0.1:9/nobody-listens"
    )
    assert acme.result(task_id)["result"] == 1


def test_a_tenant_gets_no_more_slots_than_its_limit(io_worker: Stack, make_tenant, admin):
    tenant = make_tenant("io-limited")
    assert admin("tenant", "set-limit", "io-limited", "running=2").returncode == 0
    submitted = [tenant.submit(task="test.io.sleep", payload={"a": 1, "b": n}) for n in range(5)]
    wait_until(lambda: [tenant.status(one)["status"] for one in submitted].count("STARTED") == 2, "two to start")
    assert [tenant.status(one)["status"] for one in submitted].count("STARTED") <= 2
    assert [tenant.result(one)["result"] for one in submitted] == [0, 1, 2, 3, 4]


def test_what_a_stopped_worker_cannot_end_is_given_back_uncounted(io_worker: Stack, acme: Tenant):
    io_worker.stop("io")
    io_worker.start_worker("io", *_POOL, WORKER_DRAIN_SECONDS="0.5")
    io_worker.wait_for_workers(2)
    task_id = acme.submit(task="test.io.sleep", payload={"a": 4, "b": 7}, max_attempts=1)
    wait_until(lambda: acme.status(task_id)["status"] == "STARTED", "the start")
    began = time.monotonic()
    io_worker.stop("io")
    assert time.monotonic() - began < 15
    assert _attempts(acme, task_id) == ["RETURNED"]
    io_worker.start_worker("io", *_POOL)
    assert acme.result(task_id)["result"] == 7
    assert _attempts(acme, task_id) == ["RETURNED", "SUCCESS"]
    io_worker.wait_for_workers(2)


def test_the_tasks_of_a_killed_worker_run_on_another(io_worker: Stack, acme: Tenant):
    task_id = acme.submit(task="test.io.sleep", payload={"a": 5, "b": 7}, max_attempts=1)
    wait_until(lambda: acme.status(task_id)["status"] == "STARTED", "the start")
    killed = io_worker.processes.pop("io")
    killed.kill()
    killed.wait()
    io_worker.start_worker("io", *_POOL)
    assert acme.result(task_id)["result"] == 7
    assert _attempts(acme, task_id) == ["LOST", "SUCCESS"]
    io_worker.wait_for_workers(2)


def test_a_ticket_that_waits_in_a_full_worker_is_put_back_when_that_is_stopped(
    io_worker: Stack, servers: Servers, acme: Tenant, globex: Tenant
):
    # It would offer another one, within seconds.
    io_worker.stop("dispatcher")
    try:
        io_worker.stop("io")
        io_worker.start_worker("io", *_POOL, WORKER_ASYNCIO_TASKS="1", WORKER_DRAIN_SECONDS="0.5")
        filling = acme.submit(task="test.io.sleep", payload={"a": 60, "b": 0})
        wait_until(lambda: acme.status(filling)["status"] == "STARTED", "the start")
        waiting = _submit_to_a_full_worker(io_worker, servers, globex)
        io_worker.stop("io")
        assert globex.status(waiting)["status"] == "PENDING"
        io_worker.start_worker("io", *_POOL)
        assert globex.result(waiting)["result"] == 1
    finally:
        io_worker.start("dispatcher", "app.dispatch")
    assert acme.client.post(f"/api/tasks/{filling}/cancel").status_code in {200, 202}
    assert acme.result(filling)["status"] == "REVOKED"
    io_worker.wait_for_workers(2)


def _submit_to_a_full_worker(stack: Stack, servers: Servers, tenant: Tenant) -> str:
    queue, worker = queue_name(UUID(tenant.tenant_id), ASYNCIO), stack.processes["io"]
    with Redis.from_url(servers.valkey.url) as store:
        worker.send_signal(signal.SIGSTOP)
        task_id = tenant.submit(task="test.io.sleep", payload={"a": 0, "b": 1})
        wait_until(lambda: store.llen(queue) == 1, "the ticket")
        worker.send_signal(signal.SIGCONT)
        wait_until(lambda: store.llen(queue) == 0, "its being taken")
        # A signal in the moment between would find it in nobody's hands: then the dispatcher offers another one.
        wait_until(lambda: _awaits_tickets(store, worker.pid), "its being handed on")
    return task_id


def _awaits_tickets(store: Redis, pid: int) -> bool:
    """Tell whether a worker has handed on all that it took, and waits for the next ticket."""
    ports = {str(line.laddr.port) for line in psutil.Process(pid).net_connections() if line.laddr}
    return any(client["addr"].rpartition(":")[2] in ports and "b" in client["flags"] for client in store.client_list())
