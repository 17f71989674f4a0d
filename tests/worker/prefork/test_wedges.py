"""One task never takes a worker of the prefork pool, whatever its code does: its slot runs the next one soon."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from tests.conftest import Tenant, wait_until

# Ends that wait for a lock.
_WAITING = """
SELECT pid FROM pg_stat_activity
WHERE usename = 'tq_worker' AND wait_event_type = 'Lock' AND query ~ 'attempts?_finish'
"""


def _slots_run(tenant: Tenant) -> None:
    """See every slot of the worker run something."""
    tasks = [tenant.submit(task="test.sleep", payload={"a": 1, "b": 0}) for _ in range(2)]
    assert [tenant.result(task_id)["status"] for task_id in tasks] == ["SUCCESS", "SUCCESS"]


def _attempts(tenant: Tenant, task_id: str) -> list[str]:
    return [attempt["status"] for attempt in tenant.client.get(f"/api/tasks/{task_id}").json()["attempts"]]


@pytest.mark.parametrize(
    ("task", "error_type"),
    [
        ("test.wedge.blocks", "SoftTimeLimitExceeded"),
        ("test.wedge.blocks_in_a_task", "SoftTimeLimitExceeded"),
        ("test.wedge.blocks_in_a_callback", "SoftTimeLimitExceeded"),
        ("test.wedge.waits", "SoftTimeLimitExceeded"),
        ("test.wedge.swallows", "TimeLimitExceeded"),
        ("test.wedge.blocks_and_swallows", "TimeLimitExceeded"),
        ("test.wedge.holds_the_interpreter", "TimeLimitExceeded"),
        ("test.wedge.takes_the_alarm", "TimeLimitExceeded"),
        ("test.wedge.cancels_all", "TaskCrashed"),
    ],
)
def test_code_that_does_not_end_is_ended_in_time_and_counted(acme: Tenant, globex: Tenant, task: str, error_type: str):
    # One for each slot.
    poison = [acme.submit(task=task) for _ in range(2)]
    ended = [acme.result(task_id) for task_id in poison]
    assert [(one["status"], one["error"]["type"]) for one in ended] == [("FAILURE", error_type)] * 2
    # What waited in a slot behind the other one may have been given back before it began.
    begun = [[one for one in _attempts(acme, task_id) if one != "RETURNED"] for task_id in poison]
    assert begun == [["FAILURE"]] * 2
    _slots_run(globex)


@pytest.mark.parametrize(("task", "result"), [("test.wedge.stops", "went on"), ("test.wedge.leaves_tasks", "left")])
def test_code_that_hurts_its_loop_hurts_no_other(acme: Tenant, globex: Tenant, task: str, result: str):
    poison = [acme.submit(task=task) for _ in range(2)]
    assert [acme.result(task_id)["result"] for task_id in poison] == [result] * 2
    after = [globex.submit(task="test.add", payload={"a": n, "b": 1}) for n in range(4)]
    assert [globex.result(task_id)["result"] for task_id in after] == [1, 2, 3, 4]


def test_code_that_has_begun_is_never_given_back_when_its_process_dies(acme: Tenant, globex: Tenant):
    task_id = acme.submit(task="test.wedge.closes_files", max_attempts=1)
    ended = acme.result(task_id)
    # It is counted where its process died before it had returned.
    assert (ended["status"], ended["error"]["type"]) in [("FAILURE", "WorkerLost"), ("FAILURE", "TaskCrashed")]
    assert set(_attempts(acme, task_id)) <= {"LOST", "FAILURE"}
    assert len(_attempts(acme, task_id)) <= 5
    _slots_run(globex)


def test_code_that_has_returned_is_lost_when_its_process_dies_before_that_is_written(
    acme: Tenant, environment: dict[str, str], tmp_path: Path
):
    task_id = acme.submit(task="test.wedge.waits_for_a_file", payload={"path": str(tmp_path / "go")})
    wait_until(lambda: acme.status(task_id)["progress"] is not None, "the start")
    pid = int(acme.status(task_id)["progress"]["done"])

    with asyncio.Runner() as runner:
        locks, looks = (runner.run(asyncpg.connect(environment["DATABASE_URL"])) for _ in range(2))
        runner.run(locks.execute("BEGIN"))
        runner.run(locks.execute("SELECT FROM tenant_slots WHERE tenant_id = $1 FOR UPDATE", UUID(acme.tenant_id)))
        (tmp_path / "go").touch()
        wait_until(lambda: bool(runner.run(looks.fetch(_WAITING))), "an end that waits for the lock")
        waiting = runner.run(looks.fetchval(_WAITING))
        os.kill(pid, signal.SIGKILL)
        runner.run(looks.execute("SELECT pg_terminate_backend($1)", waiting))
        for connection in (locks, looks):
            runner.run(connection.close())
    assert (acme.result(task_id)["result"], _attempts(acme, task_id)) == (2, ["LOST", "SUCCESS"])


def test_a_success_that_could_not_be_written_is_tried_again_uncounted(acme: Tenant):
    task_id = acme.submit(task="test.wedge.exits_after", max_attempts=1)
    # The end may have been written in time.
    assert (acme.result(task_id)["result"], _attempts(acme, task_id)) in [(2, ["LOST", "SUCCESS"]), (1, ["SUCCESS"])]


@pytest.mark.parametrize("task", ["test.wedge.forks", "test.wedge.forks_a_coroutine"])
@pytest.mark.parametrize(("what", "status"), [(0, 0), (1, 1), (2, 7)])
def test_a_child_that_code_has_forked_ends_where_the_code_does(acme: Tenant, task: str, what: int, status: int):
    task_id = acme.submit(task=task, payload={"a": what, "b": 0})
    assert acme.result(task_id)["result"] == status


def test_code_may_compute_in_processes_of_its_own(acme: Tenant):
    squares = [n * n for n in range(5)]
    for _ in range(3):
        task_id = acme.submit(task="test.wedge.multiprocessing", payload={"a": 5, "b": 0})
        assert acme.result(task_id)["result"] == [squares, squares, squares]


def test_a_forked_process_has_the_default_action_for_signals(acme: Tenant):
    # Otherwise Pool.terminate() waited for ever in one of some twenty tasks.
    task_id = acme.submit(task="test.wedge.fork_signals")
    assert acme.result(task_id)["result"] == [True] * 5


def test_a_forked_process_keeps_a_handler_of_the_tasks_own_code(acme: Tenant):
    task_id = acme.submit(task="test.wedge.fork_signals", payload={"keeps_its_own": True})
    assert acme.result(task_id)["result"] == [True, False, True, True, True]


def _is_there(pid: int) -> bool:
    # The number may be another's by now.
    try:
        return b"sleep" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def test_what_code_leaves_running_ends_with_it(acme: Tenant):
    pids = acme.result(acme.submit(task="test.wedge.leaves_processes", payload={"a": 301, "b": 0}))["result"]
    assert [pid for pid in pids if _is_there(pid)] == []


@pytest.mark.parametrize(
    ("payload", "options", "status"),
    [({"a": 302, "b": 1}, {}, "FAILURE"), ({"a": 303, "b": 2}, {"timeout_seconds": 1}, "FAILURE")],
    ids=["crash", "hard limit"],
)
def test_what_code_has_started_ends_with_its_process(
    acme: Tenant, payload: dict[str, Any], options: dict[str, Any], status: str
):
    task_id = acme.submit(task="test.wedge.waits_for_processes", payload=payload, **options)
    assert acme.result(task_id)["status"] == status
    _are_gone(acme, task_id)


def test_what_code_has_started_ends_when_it_is_cancelled(acme: Tenant):
    task_id = acme.submit(task="test.wedge.waits_for_processes", payload={"a": 304, "b": 0})
    wait_until(lambda: acme.status(task_id)["progress"] is not None, "the processes")
    assert acme.client.post(f"/api/tasks/{task_id}/cancel").status_code == 202
    assert acme.result(task_id)["status"] == "REVOKED"
    _are_gone(acme, task_id)


def _are_gone(tenant: Tenant, task_id: str) -> None:
    progress = tenant.status(task_id)["progress"]
    pids = int(progress["done"]), int(progress["total"])
    wait_until(lambda: not any(map(_is_there, pids)), "the end of what it had started", seconds=10)
