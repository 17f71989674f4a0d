"""The call for statistics: what happened to a tenant's tasks, and which times it refuses."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import Tenant, wait_until


@pytest.fixture
def tenant(make_tenant: Callable[..., Tenant]) -> Tenant:
    """A tenant of the test's own."""
    return make_tenant(f"stats-{time.time_ns()}")


def _ago(**length: float) -> str:
    return _before_now(timedelta(**length))


def _before_now(length: timedelta) -> str:
    return (datetime.now(UTC) - length).isoformat()


def _told(tenant: Tenant, **asked: str) -> dict:
    got = tenant.client.get("/api/stats", params=asked)
    assert got.status_code == 200, got.text
    return got.json()


def _total(tenant: Tenant, name: str, **asked: str) -> int:
    return sum(point[name] for item in _told(tenant, **asked)["items"] for point in item["points"])


def test_what_happened_is_told_by_minute_hour_and_day(tenant: Tenant):
    tenant.result(tenant.submit(task="echo", payload=1))
    tenant.result(tenant.submit(task="long_task", payload={"seconds": 0, "fail_attempts": 3}, max_attempts=1))
    waits = tenant.submit(task="echo", delay_seconds=3600)
    assert tenant.client.post(f"/api/tasks/{waits}/cancel").status_code == 200
    wait_until(lambda: _total(tenant, "revoked") == 1, "the ends to be counted")
    for bucket in ("minute", "hour", "day"):
        assert [_total(tenant, name, bucket=bucket) for name in ("succeeded", "failed")] == [1, 1]
    by_task = {item["task"]: item["points"] for item in _told(tenant, by="task", bucket="day")["items"]}
    assert {task: points[-1]["error_rate"] for task, points in by_task.items()} == {"echo": 0, "long_task": 1}
    assert _total(tenant, "failed", task="echo") == 0
    point = by_task["echo"][-1]
    assert 0 < point["wait_seconds"]["platform"]["p50"] < 30
    assert point["wait_seconds"]["limit"] == {"p50": 0, "p95": 0, "p99": 0}
    assert point["run_seconds"]["p50"] is not None
    assert point["limit_reached"] is False


def test_a_tenant_without_tasks_has_points_without_numbers(tenant: Tenant):
    told = _told(tenant, bucket="hour", **{"from": _ago(hours=2)})
    [all_types] = told["items"]
    assert all_types["points"][0]["starts_at"] == told["starts_at"]
    assert len(all_types["points"]) == 3
    point = all_types["points"][0]
    assert (point["submitted"], point["error_rate"], point["run_seconds"]["p99"]) == (0, None, None)
    assert _told(tenant, by="task")["items"] == []


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"bucket": "minute", "from": timedelta(hours=49)}, "Statistics by minute are kept for 48 hours"),
        ({"bucket": "hour", "from": timedelta(days=36)}, "Statistics by hour are kept for 35 days"),
        ({"bucket": "day", "from": timedelta(days=402)}, "Statistics by day are kept for 400 days"),
        ({"bucket": "minute", "from": timedelta(hours=30)}, "at most 1500 points"),
        ({"from": timedelta(hours=1), "to": timedelta(hours=2)}, "from is before to"),
        ({"from": "yesterday"}, "RFC 3339"),
        ({"from": "2026-11-30T12:00:00"}, "UTC offset"),
        ({"to": "1700000000"}, "RFC 3339"),
        ({"bucket": "week"}, "minute"),
        ({"by": "tag"}, "task"),
        ({"task": "Not A Task"}, "pattern"),
    ],
    ids=str,
)
def test_what_cannot_be_answered_is_refused(tenant: Tenant, asked: dict[str, str | timedelta], told: str):
    # Times are made here, because names of tests must not change from one process to the next.
    params = {name: _before_now(each) if isinstance(each, timedelta) else each for name, each in asked.items()}
    refused = tenant.client.get("/api/stats", params=params)
    assert refused.status_code == 422
    assert told in refused.text
