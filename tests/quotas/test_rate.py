"""The rate of a tenant's calls, and what each answer says of it."""

import asyncio
import os
import re
import signal
import time
from collections.abc import Callable
from uuid import UUID

import httpx
import pytest
from redis.asyncio import Redis

from app.core import redis as redis_connections
from app.quotas.limits import Rate
from app.quotas.rate import Rates
from tests.conftest import Servers, Tenant

Limited = Callable[..., Tenant]

# One call a second: no test is so slow that its burst is refilled.
SLOW = {"requests_per_second": 1, "burst": 3}


def _submit(tenant: Tenant, **kwargs: object) -> httpx.Response:
    return tenant.client.post("/api/tasks/submit", json={"task": "echo", "delay_seconds": 600}, **kwargs)  # type: ignore[arg-type]


def _left(response: httpx.Response, policy: str = "rate") -> int:
    found = re.search(rf'"{policy}";r=(\d+)', response.headers["RateLimit"])
    assert found, response.headers
    return int(found[1])


def test_calls_above_the_rate_are_refused_and_every_answer_says_what_is_left(limited: Limited):
    tenant = limited(**SLOW)
    answers = [tenant.client.get("/api/tasks") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert [_left(answer) for answer in answers] == [2, 1, 0]
    assert answers[0].headers["RateLimit-Policy"] == '"rate";q=3;w=3'
    refused = tenant.client.get("/api/tasks")
    body = refused.json()
    assert (refused.status_code, body["code"]) == (429, "rate_limited")
    assert (body["violated-policies"], body["limit"], body["retry_after"]) == (["rate"], 1, 1)
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["RateLimit"] == '"rate";r=0;t=1'


def test_a_submit_is_counted_too_and_tells_of_all_its_policies(limited: Limited):
    tenant = limited(**SLOW)
    answers = [_submit(tenant) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [202, 202, 202, 429]
    assert answers[0].headers["RateLimit-Policy"] == (
        '"rate";q=3;w=3, "day";q=1000;w=86400, "month";q=31000;w=2678400, "backlog";q=1000'
    )
    assert [_left(answers[1], policy) for policy in ("rate", "day", "month", "backlog")] == [1, 998, 30_998, 998]
    assert answers[3].json()["code"] == "rate_limited"
    assert answers[3].headers["RateLimit-Policy"] == answers[0].headers["RateLimit-Policy"]


@pytest.mark.parametrize(
    ("body", "status"),
    [(b'{"unknown": 1}', 422), (b'{"task": "no.such"}', 422), (b'{"payload": {"seconds": "x"}}', 422), (b"{", 400)],
)
def test_a_submit_that_is_refused_for_what_it_says_counts(limited: Limited, body: bytes, status: int):
    as_json = {"Content-Type": "application/json"}
    for _ in range(5):
        tenant, began = limited(**SLOW), time.monotonic()
        answers = [tenant.client.post("/api/tasks/submit", content=body, headers=as_json) for _ in range(4)]
        if time.monotonic() - began < 0.9:
            break  # Slower ones have been given another call meanwhile, and say nothing.
    assert [answer.status_code for answer in answers] == [status] * 3 + [429]


def test_a_call_that_finds_nothing_counts_and_says_what_is_left(limited: Limited):
    answer = limited(**SLOW).client.get(f"/api/tasks/{UUID(int=1)}")
    assert (answer.status_code, _left(answer)) == (404, 2)


@pytest.mark.parametrize(("method", "path"), [("GET", "/api/tasks"), ("POST", "/api/tasks/submit")])
def test_a_call_without_the_permission_counts_and_says_what_is_left(limited: Limited, method: str, path: str):
    tenant = limited(requests_per_second=1, burst=4)
    made = tenant.client.post("/api/keys", json={"name": "narrow", "scopes": ["usage:read"]})
    narrow = {"X-API-Key": made.json()["api_key"]}
    answers = [tenant.client.request(method, path, headers=narrow) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [403, 403, 403, 429]
    assert [_left(answer) for answer in answers[:3]] == [2, 1, 0]


def test_a_replay_costs_no_quota_but_counts_against_the_rate_as_a_read_does(limited: Limited):
    tenant = limited(**SLOW, tasks_per_day=1)
    first, *replays, last = [_submit(tenant, headers={"Idempotency-Key": "a"}) for _ in range(4)]
    assert (first.status_code, last.status_code, last.json()["code"]) == (202, 429, "rate_limited")
    assert [replay.status_code for replay in replays] == [200, 200]
    assert [_left(replay) for replay in replays] == [1, 0]
    assert {replay.headers["RateLimit-Policy"] for replay in replays} == {'"rate";q=3;w=3'}


def test_the_calls_of_other_rooms_count(limited: Limited):
    tenant = limited(**SLOW)
    answers = [tenant.client.get(path) for path in ("/api/limits", "/api/usage", "/api/keys", "/api/audit")]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]


def test_without_a_limit_nothing_is_said_of_it(acme: Tenant):
    call = acme.client.get("/api/tasks")
    assert "RateLimit-Policy" not in call.headers
    assert "RateLimit" not in call.headers
    submit = _submit(acme)
    assert submit.headers["RateLimit-Policy"] == '"backlog";q=1000000'
    assert re.fullmatch(r'"backlog";r=\d+', submit.headers["RateLimit"])


def test_while_redis_is_frozen_the_rate_still_holds_and_nobody_waits(limited: Limited, servers: Servers):
    tenant = limited(requests_per_second=2, burst=10)
    os.kill(servers.valkey.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        statuses = [tenant.client.get("/api/tasks").status_code for _ in range(30)]
        took = time.monotonic() - began
    finally:
        os.kill(servers.valkey.pid, signal.SIGCONT)
    assert 10 <= statuses.count(200) <= 10 + 2 * took + 1
    assert set(statuses) == {200, 429}
    assert took < 3


async def test_two_processes_share_one_rate(servers: Servers):
    tenant_id, rate = UUID(int=7), Rate(1_000_000, 20)
    redis = redis_connections.connect(servers.valkey.url)
    both = [Rates(redis), Rates(redis)]
    try:
        allowed = [(await both[number % 2].ask(tenant_id, rate)).is_allowed for number in range(40)]
    finally:
        await redis.aclose()
    assert 20 <= allowed.count(True) <= 22


async def test_a_clock_of_redis_that_stepped_back_locks_nobody_out(servers: Servers):
    tenant_id, rate = UUID(int=9), Rate(10_000, 3)
    redis: Redis = redis_connections.connect(servers.valkey.url)
    rates = Rates(redis)
    try:
        # As it was written by a clock a day ahead.
        await redis.set(f"rate.{tenant_id}", (time.time_ns() // 1000) + 86_400_000_000)
        assert (await rates.ask(tenant_id, rate)).wait <= rate.tolerance
        async with asyncio.timeout(2):
            while not (await rates.ask(tenant_id, rate)).is_allowed:  # noqa: ASYNC110 nobody tells
                await asyncio.sleep(0.005)
    finally:
        await redis.aclose()


async def test_what_a_process_remembers_of_callers_is_bounded(servers: Servers):
    redis = redis_connections.connect("redis://127.0.0.1:1")
    rates = Rates(redis)
    try:
        for number in range(10_050):
            assert (await rates.ask(UUID(int=number), Rate(1_000, 5))).is_allowed
        assert len(rates._arrivals) == 10_000
    finally:
        rates.close()
        await redis.aclose()
