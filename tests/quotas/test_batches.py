"""Batches at the limits: what is granted is granted oldest first, and a batch is one request for the rate."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.conftest import Tenant

Limited = Callable[..., Tenant]
TASK = {"task": "echo", "delay_seconds": 600}
BAD = {"task": "no.such"}
FAST = {"requests_per_second": 1000, "burst": 1000}


def _post(tenant: Tenant, *tasks: Any, **headers: str) -> httpx.Response:
    return tenant.client.post("/api/tasks/batch", json={"tasks": tasks}, headers=headers)


def _told(answer: httpx.Response) -> list[str]:
    assert answer.status_code in {200, 202}, answer.text
    return [outcome["error"]["code"] if "error" in outcome else "accepted" for outcome in answer.json()["outcomes"]]


@pytest.mark.parametrize(
    ("name", "policy", "code"),
    [
        ("tasks_per_day", "day", "daily_quota"),
        ("tasks_per_month", "month", "monthly_quota"),
        ("backlog", "backlog", "backlog_full"),
    ],
)
def test_the_first_ones_are_granted_and_the_rest_refused(limited: Limited, name: str, policy: str, code: str):
    tenant = limited(**{name: 5}, **FAST)
    assert _told(_post(tenant, TASK, TASK)) == ["accepted"] * 2
    partly = _post(tenant, TASK, BAD, TASK, TASK, TASK, BAD, TASK)
    assert _told(partly) == ["accepted", "invalid_request", "accepted", "accepted", code, "invalid_request", code]
    assert f'"{policy}";r=0' in partly.headers["RateLimit"]
    error = partly.json()["outcomes"][4]["error"]
    assert error.keys() == {"code", "status", "title", "detail", "retry_after"}
    assert (error["status"], error["retry_after"] > 0) == (429, True)
    # Refused as a whole, as a submit is: at first from memory.
    for _ in range(2):
        refused = _post(tenant, BAD, TASK)
        assert (refused.status_code, refused.json()["code"]) == (429, code)
        assert int(refused.headers["Retry-After"]) == refused.json()["retry_after"]
    alone = tenant.client.post("/api/tasks/submit", json=TASK)
    assert (alone.status_code, alone.json()["code"]) == (429, code)
    # Those that no quota could help are told so nevertheless.
    assert _told(_post(tenant, BAD)) == ["invalid_request"]
    held = {item["name"]: item["used"] for item in tenant.client.get("/api/limits").json()["items"]}
    assert held[name] == 5


def test_a_batch_that_the_ledger_refuses_whole_is_a_429_and_uses_no_key_up(limited: Limited):
    tenant = limited(backlog=0, **FAST)
    for _ in range(2):
        refused = _post(tenant, TASK, TASK, **{"Idempotency-Key": "none"})
        assert (refused.status_code, refused.json()["code"]) == (429, "backlog_full")
        assert refused.json()["violated-policies"] == ["backlog"]
    assert _post(tenant, BAD, **{"Idempotency-Key": "none"}).status_code == 202


def test_a_replay_of_a_batch_that_was_granted_in_part_costs_no_quota(limited: Limited):
    tenant = limited(tasks_per_day=3, **FAST)
    asked, key = [TASK, TASK, BAD, TASK, TASK], {"Idempotency-Key": "partly"}
    first, again = _post(tenant, *asked, **key), _post(tenant, *asked, **key)
    assert (first.status_code, again.status_code, first.content == again.content) == (202, 200, True)
    assert _told(first) == ["accepted", "accepted", "invalid_request", "accepted", "daily_quota"]
    assert again.headers["RateLimit-Policy"] == '"rate";q=1000;w=1'
    used = tenant.client.get("/api/usage").json()["day"]
    assert (used["tasks"], sum(each["tasks"] for each in used["by_task"])) == (3, 3)


def test_a_batch_is_one_request_for_the_rate(limited: Limited):
    # A second lasts longer than this test needs, so nothing comes back.
    tenant = limited(requests_per_second=1, burst=4)
    key = {"Idempotency-Key": "rated"}
    assert _told(_post(tenant, *[TASK] * 50, **key)) == ["accepted"] * 50
    assert _told(_post(tenant, BAD)) == ["invalid_request"]
    assert tenant.client.post("/api/tasks/batch", json={"tasks": []}).status_code == 422
    left = _post(tenant, TASK, BAD)
    assert '"rate";r=0' in left.headers["RateLimit"]
    refused = _post(tenant, TASK)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert int(refused.headers["Retry-After"]) >= 1
    # A replay, too.
    assert _post(tenant, *[TASK] * 50, **key).status_code == 429
    assert _post(tenant, BAD).json()["code"] == "rate_limited"
