"""Quotas and backlogs as callers meet them, and the calls that tell of limits and usage."""

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.conftest import Tenant, wait_until

Limited = Callable[..., Tenant]
Admin = Callable[..., subprocess.CompletedProcess[str]]


def _submit(tenant: Tenant, **body: object) -> httpx.Response:
    return tenant.client.post("/api/tasks/submit", json={"task": "echo", "payload": 1, "delay_seconds": 600} | body)


@pytest.mark.parametrize(
    ("name", "policy", "code", "seconds"),
    [
        ("tasks_per_day", "day", "daily_quota", 86_400),
        ("tasks_per_month", "month", "monthly_quota", 31 * 86_400),
        ("backlog", "backlog", "backlog_full", 60),
    ],
)
def test_a_refusal_says_which_limit_and_until_when(limited: Limited, name: str, policy: str, code: str, seconds: int):
    tenant = limited(**{name: 2})
    assert [_submit(tenant).status_code for _ in range(2)] == [202, 202]
    # The second is refused from memory.
    for _ in range(2):
        refused = _submit(tenant)
        body = refused.json()
        assert (refused.status_code, body["code"]) == (429, code)
        assert (body["violated-policies"], body["limit"]) == ([policy], 2)
        assert 0 < int(refused.headers["Retry-After"]) <= seconds
        assert int(refused.headers["Retry-After"]) == body["retry_after"]
        assert f'"{policy}";q=2' in refused.headers["RateLimit-Policy"]
        assert f'"{policy}";r=0' in refused.headers["RateLimit"]


def test_a_limit_that_is_raised_is_felt_within_seconds(limited: Limited, admin: Admin):
    tenant = limited(tasks_per_day=1, requests_per_second=1000, burst=1000)
    assert [_submit(tenant).status_code for _ in range(2)] == [202, 429]
    assert admin("tenant", "set-limit", tenant.slug, "tasks_per_day=2").returncode == 0
    wait_until(lambda: _submit(tenant).status_code == 202, "the new limit", seconds=4)
    assert _submit(tenant).status_code == 429


def test_a_task_that_leaves_the_backlog_makes_room_for_another(limited: Limited):
    tenant = limited(backlog=2, requests_per_second=1000, burst=1000)
    waiting = [_submit(tenant).json()["task_id"] for _ in range(2)]
    assert _submit(tenant).status_code == 429
    assert tenant.client.post(f"/api/tasks/{waiting[0]}/cancel").status_code == 200
    wait_until(lambda: _submit(tenant).status_code == 202, "room", seconds=4)
    assert _submit(tenant).json()["code"] == "backlog_full"


def test_a_retry_counts_against_the_backlog(limited: Limited):
    tenant = limited(backlog=1)
    ended = _submit(tenant).json()["task_id"]
    assert tenant.client.post(f"/api/tasks/{ended}/cancel").status_code == 200
    assert _submit(tenant).status_code == 202
    refused = tenant.client.post(f"/api/tasks/{ended}/retry")
    assert (refused.status_code, refused.json()["code"]) == (429, "backlog_full")


def test_a_result_larger_than_the_tenants_limit_is_a_failure(limited: Limited):
    tenant = limited(result_bytes=100)
    ended = tenant.result(_submit(tenant, payload="x" * 200, delay_seconds=0).json()["task_id"])
    assert (ended["status"], ended["error"]["type"]) == ("FAILURE", "UnusableResult")
    assert "100" in ended["error"]["message"]
    assert tenant.result(_submit(tenant, payload="x" * 50, delay_seconds=0).json()["task_id"])["status"] == "SUCCESS"


def _limits(tenant: Tenant) -> dict[str, dict[str, Any]]:
    answer = tenant.client.get("/api/limits")
    assert answer.status_code == 200, answer.text
    assert answer.json()["plan"] == "free"
    return {item.pop("name"): item for item in answer.json()["items"]}


def test_the_limits_are_told_with_their_source_and_what_is_used(limited: Limited):
    tenant = limited(tasks_per_day=7, tasks_per_month=-1)
    for _ in range(3):
        _submit(tenant)
    told = _limits(tenant)
    assert told["tasks_per_day"] == {"limit": 7, "source": "override", "used": 3}
    assert told["tasks_per_month"] == {"limit": None, "source": "override", "used": 3}
    assert told["backlog"] == {"limit": 1000, "source": "plan", "used": 3}
    assert told["running"] == {"limit": 2, "source": "plan", "used": 0}
    assert told["requests_per_second"] == {"limit": 10, "source": "plan", "used": None}
    assert told["event_hours"] == {"limit": 24, "source": "plan", "used": None}
    assert len(told) == 20


def test_what_runs_is_told_while_it_runs(limited: Limited):
    tenant = limited(requests_per_second=1000, burst=1000)
    task_id = tenant.submit(payload={"seconds": 1.5, "steps": 1})
    wait_until(lambda: _limits(tenant)["running"]["used"] == 1, "the start")
    assert _limits(tenant)["backlog"]["used"] == 0
    tenant.result(task_id)
    assert _limits(tenant)["running"]["used"] == 0


def test_usage_is_the_same_wherever_it_is_told(limited: Limited, admin: Admin):
    tenant = limited(requests_per_second=1000, burst=1000)
    tenant.result(_submit(tenant, delay_seconds=0).json()["task_id"])
    tenant.result(tenant.submit(payload={"seconds": 0.2, "steps": 1}))
    last = _submit(tenant)
    used = tenant.client.get("/api/usage").json()
    today = datetime.now(UTC).date()
    for period, limit in (("day", 1_000), ("month", 31_000)):
        assert (used[period]["tasks"], used[period]["limit"]) == (3, limit)
        assert f'"{period}";r={limit - 3}' in last.headers["RateLimit"]
        by_task = {row["task"]: row for row in used[period]["by_task"]}
        assert {name: (row["tasks"], row["attempts"]) for name, row in by_task.items()} == {
            "echo": (2, 1), "long_task": (1, 1),
        }  # fmt: skip
        assert by_task["long_task"]["worker_seconds"] >= 0.2
    assert used["day"]["starts_on"] == today.isoformat()
    assert datetime.fromisoformat(used["day"]["ends_at"]) > datetime.now(UTC)
    assert [(item["day"], item["task"], item["tasks"]) for item in used["items"]] == [
        (today.isoformat(), "echo", 2), (today.isoformat(), "long_task", 1),
    ]  # fmt: skip
    shown = json.loads(admin("usage", "show", tenant.slug, "--json").stdout.splitlines()[-1])
    assert (shown["tasks_per_day"]["used"], shown["tasks_per_month"]["used"]) == (3, 3)
    assert _limits(tenant)["tasks_per_day"]["used"] == 3


@pytest.mark.parametrize(
    ("query", "count"), [("from=2020-01-01&to=2020-12-31", 0), (f"from={datetime.now(UTC).date()}", 1)]
)
def test_usage_is_told_for_the_days_asked_for(limited: Limited, query: str, count: int):
    tenant = limited()
    _submit(tenant)
    assert len(tenant.client.get(f"/api/usage?{query}").json()["items"]) == count


@pytest.mark.parametrize("query", ["from=2026-02-01&to=2026-01-01", "from=2020-01-01&to=2022-01-01", "from=yesterday"])
def test_days_that_are_no_range_are_refused(acme: Tenant, query: str):
    refused = acme.client.get(f"/api/usage?{query}")
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")


def test_usage_of_another_tenant_is_not_told(acme: Tenant, limited: Limited):
    _submit(acme)
    tenant = limited()
    assert tenant.client.get("/api/usage").json()["items"] == []


@pytest.mark.parametrize("path", ["/api/limits", "/api/usage"])
def test_a_key_that_may_not_read_usage_is_refused(acme: Tenant, admin: Admin, path: str):
    issued = admin(
        "key", "issue", acme.slug, "--name", f"no-usage{path[4:].replace('/', '-')}", "--scopes", "tasks:read", "--json"
    )
    assert issued.returncode == 0, issued.stderr
    key = json.loads(issued.stdout.splitlines()[-1])["api_key"]
    refused = acme.client.get(path, headers={"Authorization": f"Bearer {key}"})
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
