"""One task never takes a worker of the asyncio pool, nor its neighbours, whatever its code does to the loop of all."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.conftest import Stack, Tenant, wait_until

Rows = Callable[[], list[asyncpg.Record]]

_POOL = ("--pool", "threads", "--concurrency", "4", "-Q", "tenants.io")


@pytest.fixture(scope="module")
def io_worker(stack: Stack) -> Iterator[Stack]:
    """Run one beside the usual worker; it gives back soon what does not end when it is stopped."""
    stack.start_worker("io", *_POOL, WORKER_DRAIN_SECONDS="1")
    stack.wait_for_workers(2)
    yield stack
    stack.stop("io")
    stack.wait_for_workers(1)


@pytest.fixture
def rows(environment: dict[str, str], io_worker: Stack) -> Iterator[Rows]:
    """Read the rows of the worker of the asyncio pool; what it starts again as has the same pid."""

    with asyncio.Runner() as runner:
        owner = runner.run(asyncpg.connect(environment["DATABASE_URL"]))
        pid = io_worker.processes["io"].pid
        yield lambda: runner.run(owner.fetch("SELECT id, slots FROM worker WHERE pid = $1", pid))
        runner.run(owner.close())


def _attempts(tenant: Tenant, task_id: str) -> list[str]:
    return [attempt["status"] for attempt in tenant.client.get(f"/api/tasks/{task_id}").json()["attempts"]]


def _files(stack: Stack) -> int:
    return len([*Path(f"/proc/{stack.processes['io'].pid}/fd").iterdir()])


@pytest.mark.parametrize("task", ["test.wedge.io.stops", "test.wedge.io.cancels_all", "test.wedge.io.exits_in_a_task"])
def test_code_that_would_end_the_loop_hurts_no_neighbour(io_worker: Stack, acme: Tenant, globex: Tenant, task: str):
    neighbours = [globex.submit(task="test.io.sleep", payload={"a": 2, "b": n}, max_attempts=1) for n in range(5)]
    wait_until(lambda: {globex.status(one)["status"] for one in neighbours} == {"STARTED"}, "the neighbours")
    hostile = acme.submit(task=task)
    assert (acme.result(hostile)["result"], _attempts(acme, hostile)) == ("went on", ["SUCCESS"])
    assert [globex.result(one)["result"] for one in neighbours] == [0, 1, 2, 3, 4]
    assert {tuple(_attempts(globex, one)) for one in neighbours} == {("SUCCESS",)}


def test_code_that_blocks_the_loop_fails_and_its_neighbours_run_again(
    io_worker: Stack, acme: Tenant, globex: Tenant, rows: Rows
):
    wait_until(lambda: len(rows()) == 1, "the worker's row")
    [before] = rows()
    assert before["slots"] == 1000
    files = _files(io_worker)
    neighbours = [globex.submit(task="test.io.sleep", payload={"a": 13, "b": n}, max_attempts=1) for n in range(5)]
    wait_until(lambda: {globex.status(one)["status"] for one in neighbours} == {"STARTED"}, "the neighbours")
    blocking = acme.submit(task="test.wedge.io.blocks")
    wait_until(lambda: [row["slots"] for row in rows()] == [0], "a heartbeat that says so")
    ended = acme.result(blocking)
    assert (ended["status"], ended["error"]["type"], _attempts(acme, blocking)) == (
        "FAILURE", "TaskCrashed", ["FAILURE"],
    )  # fmt: skip
    assert "blocked the event loop" in ended["error"]["message"]
    assert [globex.result(one)["result"] for one in neighbours] == [0, 1, 2, 3, 4]
    assert {tuple(_attempts(globex, one)) for one in neighbours} == {("LOST", "SUCCESS")}
    # The same process, which has begun again.
    assert io_worker.processes["io"].poll() is None
    [after] = rows()
    assert after["id"] != before["id"]
    assert _files(io_worker) < files + 10


def test_code_that_logs_and_blocks_the_loop_ends_with_all_its_lines(io_worker: Stack, acme: Tenant):
    task_id = acme.submit(task="test.wedge.io.logs_and_blocks")
    assert acme.result(task_id)["error"]["type"] == "TaskCrashed"
    lines = acme.client.get(f"/api/tasks/{task_id}/logs").json()["items"]
    assert [line["message"] for line in lines] == ["early", "late"]


def test_code_that_blocks_the_loop_beyond_its_limit_fails_once(io_worker: Stack, acme: Tenant):
    # Before the dispatcher takes it away as lost, five seconds after its limit.
    blocking = acme.submit(task="test.wedge.io.blocks_beyond_its_limit")
    ended = acme.result(blocking)
    assert (ended["status"], ended["error"]["type"], _attempts(acme, blocking)) == (
        "FAILURE", "TimeLimitExceeded", ["FAILURE"],
    )  # fmt: skip


def test_code_that_swallows_its_cancel_is_cancelled_again(io_worker: Stack, acme: Tenant, tmp_path: Path):
    task_id = acme.submit(task="test.wedge.io.ends_at_last", payload={"path": str(tmp_path / "ended")})
    assert acme.result(task_id)["error"]["type"] == "TimeLimitExceeded"
    wait_until((tmp_path / "ended").exists, "the end of its code")


def test_a_worker_full_of_code_that_swallows_its_cancel_starts_again(
    io_worker: Stack, acme: Tenant, globex: Tenant, rows: Rows
):
    wait_until(lambda: len(rows()) == 1, "the worker's row")
    [before] = rows()
    swallowing = [acme.submit(task="test.wedge.io.swallows") for _ in range(20)]
    assert {acme.result(one)["error"]["type"] for one in swallowing} == {"TimeLimitExceeded"}
    wait_until(
        lambda: [row["id"] for row in rows() if row["id"] != before["id"]] != [], "the worker that has begun again"
    )
    assert io_worker.processes["io"].poll() is None
    assert globex.result(globex.submit(task="test.io.sleep", payload={"a": 0, "b": 1}))["result"] == 1


def test_a_worker_that_is_stopped_while_its_loop_stands_still_ends(io_worker: Stack, acme: Tenant, rows: Rows):
    blocking = acme.submit(task="test.wedge.io.blocks")
    wait_until(lambda: acme.status(blocking)["status"] == "STARTED", "the start")
    io_worker.stop("io")
    assert _attempts(acme, blocking) == ["FAILURE"]
    assert rows() == []
    io_worker.start_worker("io", *_POOL, WORKER_DRAIN_SECONDS="1")
    io_worker.wait_for_workers(2)
