"""Each process of the product exports what it has counted and what it knows."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from app.metrics.definitions import METRICS, PROCESS, exported
from tests.conftest import ROOT, Stack, Tenant, wait_until
from tests.metrics.conftest import Watched

# What each kind of process exports from its start; the others come with what happens.
FROM_THE_START = {
    "api": {"taskqueue_ready", "taskqueue_schema_fits", "taskqueue_redis_faults", "taskqueue_postgres_read_only"},
    "dispatcher": {"taskqueue_leads", "taskqueue_round_age_seconds"},
    "webhooks": {"taskqueue_round_age_seconds"},
    "http": set(),
    "worker": set(),
    "asyncio": set(),
    "operator": {"taskqueue_ready", "taskqueue_dispatcher_leads", "taskqueue_oldest_waiting_seconds"},
}


@pytest.mark.parametrize("kind", FROM_THE_START)
def test_each_process_exports_what_it_is(watched: Watched, kind: str) -> None:
    wanted = {*FROM_THE_START[kind], *PROCESS, "taskqueue_process_info", "taskqueue_disk_free_bytes"}
    wait_until(lambda: wanted <= {name for name, _, _ in watched.samples(kind)}, f"the metrics of {kind}")


def test_each_metric_is_one_that_is_defined_with_its_labels(watched: Watched) -> None:
    defined = {sample: set(METRICS[name].labels) for name in METRICS for sample in exported(name)}
    for kind in watched.ports:
        for name, labels, _ in watched.samples(kind):
            if name in PROCESS:
                continue
            assert set(labels) - {"le"} == defined[name] - ({"tenant"} - set(labels)), (kind, name, labels)


def test_a_task_is_counted_by_the_api_and_by_the_worker_whose_child_ran_it(
    watched: Watched, calls: Callable[..., httpx.Response], acme: Tenant
) -> None:
    submitted = watched.sum("api", "taskqueue_submitted_tasks_total", outcome="accepted", tenant=acme.tenant_id)
    ended = watched.sum("worker", "taskqueue_attempts_total", task="echo", outcome="SUCCESS")
    for _ in range(3):
        task_id = calls("POST", "/api/tasks/submit", json={"task": "echo"}).json()["task_id"]
        wait_until(lambda task_id=task_id: calls("GET", f"/api/tasks/{task_id}/result").status_code == 200, "a result")  # type: ignore[misc]
    now = watched.sum("api", "taskqueue_submitted_tasks_total", outcome="accepted", tenant=acme.tenant_id)
    assert now == submitted + 3
    wait_until(
        lambda: watched.sum("worker", "taskqueue_attempts_total", task="echo", outcome="SUCCESS") == ended + 3,
        "the counts of the children",
    )
    assert watched.sum("worker", "taskqueue_attempts_total", task="echo", plan="enterprise") >= 3
    assert watched.sum("worker", "taskqueue_attempt_seconds_count", task="echo") >= 3


def test_a_request_is_counted_by_template_and_not_by_path(
    watched: Watched, calls: Callable[..., httpx.Response]
) -> None:
    calls("GET", "/api/tasks/00000000-0000-7000-8000-000000000000/status")
    calls("GET", "/api/nothing-of-ours")
    route = "/api/tasks/{task_id}/status"
    wait_until(lambda: watched.sum("api", "taskqueue_requests_total", route=route, status="404") >= 1, "a request")
    assert watched.sum("api", "taskqueue_requests_total", route="none", status="404") >= 1
    assert "nothing-of-ours" not in watched.text("api")


def test_the_operators_process_sees_who_leads_and_who_works(watched: Watched) -> None:
    # The run's dispatcher leads, or the watched one.
    wait_until(lambda: watched.sum("operator", "taskqueue_dispatcher_leads") == 1, "a leader")
    wait_until(lambda: watched.sum("operator", "taskqueue_workers", pool="prefork", state="alive") >= 1, "a worker")
    assert watched.sum("operator", "taskqueue_partitions_missing") == 0
    tables = {
        labels["table"] for name, labels, _ in watched.samples("operator") if name == "taskqueue_partitions_missing"
    }
    assert {"task", "attempt", "result", "event"} <= tables
    assert watched.sum("operator", "taskqueue_schema_fits") == 1


def test_no_metric_shows_a_tenant_that_the_operator_has_not_named(watched: Watched, globex: Tenant) -> None:
    httpx.get(
        f"{watched.api}/api/tasks", headers={"X-API-Key": globex.api_key}, timeout=10, trust_env=False
    ).raise_for_status()
    for kind in watched.ports:
        assert globex.tenant_id not in watched.text(kind)
        assert globex.slug not in watched.text(kind)


def test_metrics_are_bound_to_this_machine_unless_told_otherwise(watched: Watched, stack: Stack) -> None:
    port = f":{watched.ports['api']:04X}"
    with Path("/proc/net/tcp").open() as sockets:
        listening = [line.split()[1] for line in sockets if line.split()[3] == "0A" and line.split()[1].endswith(port)]
    assert listening == [f"0100007F{port}"]


def test_without_the_setting_the_library_is_not_imported(stack: Stack) -> None:
    code = (
        "import sys, app.main, app.dispatch.loop, app.webhooks.delivery.process, app.operator.process,"
        " app.http_requests.process, app.worker.jobs\nfrom app.metrics import serving\n"
        "assert serving.start('api') is None\nassert 'prometheus_client' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=stack.environment, check=True)


def test_a_port_that_is_taken_costs_the_metrics_and_nothing_else(watched: Watched, stack: Stack) -> None:
    taken = str(watched.ports["api"])
    stack.start("second", "app.dispatch", METRICS_PORT=taken)
    log = stack.folder / "second.log"
    try:
        wait_until(lambda: "METRICS_PORT is not free" in log.read_text(), "the line about the port")
        wait_until(lambda: "dispatcher stands by" in log.read_text(), "the dispatcher to go on")
    finally:
        stack.stop("second")


def test_a_wrong_port_ends_the_process_with_its_name(stack: Stack) -> None:
    settings = stack.environment | {"METRICS_PORT": "0"}
    ended = subprocess.run(
        [sys.executable, "-m", "app.dispatch"], cwd=ROOT, env=settings, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "METRICS_PORT" in ended.stderr
