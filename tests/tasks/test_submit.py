"""What a submit refuses, and what it promises."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.conftest import Tenant


@pytest.mark.parametrize(
    "raw",
    [
        b'{"payload": NaN}',
        b'{"payload": 1e999}',
        b'{"payload": "\\ud800"}',
        b'{"payload": "\\u0000"}',
        b'{"task": "echo", "task": "echo"}',
        b'{"payload": ' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"payload": ' + b"9" * 5000 + b"}",
        b"\xff",
        b"{",
    ],
)
def test_what_is_not_strict_json_is_400(acme: Tenant, raw: bytes):
    response = acme.client.post("/api/tasks/submit", content=raw, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.headers["Content-Type"]) == (400, "application/problem+json")


@pytest.mark.parametrize(
    "body",
    [
        {"unknown": 1},
        {"task": "no.such"},
        {"priority": 10},
        {"priority": True},
        {"priority": "5"},
        {"payload": {"seconds": "x"}},
        {"payload": {"other": 1}},
        {"delay_seconds": 1, "scheduled_at": "2030-01-01T00:00:00Z"},
        {"scheduled_at": "2030-01-01T00:00:00"},
        {"scheduled_at": "9999-01-01T00:00:00Z"},
        {"scheduled_at": 1_806_000_000},
        {"scheduled_at": 1_806_000_000_000},
        {"scheduled_at": "1806000000"},
        {"scheduled_at": "2027-01-31"},
        {"max_attempts": 0},
        {"tags": ["x" * 65]},
        None,
        [],
    ],
)
def test_what_is_not_a_submit_is_422(acme: Tenant, body: object):
    response = acme.client.post("/api/tasks/submit", json=body)
    assert response.status_code == 422
    assert response.json()["code"] == "invalid_request"


def test_the_same_idempotency_key_is_one_task(acme: Tenant):
    def submit(_: int) -> tuple[int, str]:
        response = acme.client.post("/api/tasks/submit", json={"task": "echo"}, headers={"Idempotency-Key": "once"})
        return response.status_code, response.json()["task_id"]

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(submit, range(16)))
    assert len({task_id for _, task_id in answers}) == 1
    assert sorted(status for status, _ in answers) == [200] * 15 + [202]
    other = acme.client.post(
        "/api/tasks/submit", json={"task": "echo", "payload": 2}, headers={"Idempotency-Key": "once"}
    )
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")


def test_a_daily_quota_admits_exactly_its_limit(make_tenant: Callable[..., Tenant], admin: Callable[..., object]):
    tenant = make_tenant("small", plan="free")
    # Before its first call, so that no process knows the tenant by its former limit.
    admin("tenant", "set-limit", "small", "tasks_per_day=5")

    def submit(_: int) -> httpx.Response:
        return tenant.client.post("/api/tasks/submit", json={"task": "echo"})

    with ThreadPoolExecutor(6) as threads:
        responses = list(threads.map(submit, range(12)))
    assert sorted(response.status_code for response in responses) == [202] * 5 + [429] * 7
    refused = next(response for response in responses if response.status_code == 429)
    assert refused.json()["code"] == "daily_quota"
    # Until the next day (UTC), by the clock of this machine, which is the database's too.
    now = datetime.now(UTC)
    left = (now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1) - now).total_seconds()
    assert abs(int(refused.headers["Retry-After"]) - left) < 60
