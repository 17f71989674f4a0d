"""What a balancer is told, in every state of the servers, and that it is told at once."""

import asyncio
import os
import signal
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import psutil
import pytest
import redis

from app.core import schema
from scripts.stack import embedded
from tests import postgres_pair
from tests.conftest import Servers, Stack, Tenant, wait_until

# A balancer's probe gives up after 1 s; an answer from memory needs some milliseconds, on a busy machine some more.
_PATIENCE = 1.0


def _readiness(stack: Stack) -> dict[str, Any]:
    answer = httpx.get(f"{stack.url}/readyz", timeout=_PATIENCE, trust_env=False)
    return {**answer.json(), "http": answer.status_code}


def _wait_for(stack: Stack, status: str, reason: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}

    def look() -> bool:
        found.clear()
        found.update(_readiness(stack))
        is_status = found["http"] == 503 if status == "unavailable" else found["status"] == status
        return is_status and any(reason in one for one in found["reasons"] or [""])

    wait_until(look, f"{status} for {reason!r}")
    return found


@contextmanager
def _frozen(pid: int) -> Iterator[None]:
    stopped = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    for process in stopped:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in stopped:
            if process.is_running():
                process.send_signal(signal.SIGCONT)


def test_all_is_well(stack: Stack):
    # Another test's worker may have been killed just before: its row counts for 15 s.
    wait_until(lambda: _readiness(stack)["workers"] == 1, "one worker")
    found = _wait_for(stack, "ready")
    assert found["reasons"] == []
    assert found["schema_version"] == found["schema_expected"] == schema.EXPECTED
    assert (found["workers"], found["workers_by_pool"]) == (1, {"prefork": 1})
    assert found["dispatcher"]["leads"] is True
    assert 0 <= found["dispatcher"]["last_round_seconds"] < 15
    assert 0 <= found["age_seconds"] < 4


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_head_is_answered_as_get_without_a_body(stack: Stack, path: str):
    _wait_for(stack, "ready")
    url = urlsplit(stack.url)
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=5) as line:
        line.sendall(f"HEAD {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: line.recv(4096), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert b"content-type: application/json" in head.lower()
    assert body == b""


def test_a_redis_that_is_a_replica_is_named_and_recovers(stack: Stack, servers: Servers, acme: Tenant):
    written = {name: (stack.folder / f"{name}.log").stat().st_size for name in ("worker", "dispatcher")}
    with redis.Redis.from_url(servers.valkey.url) as client:
        client.replicaof("127.0.0.1", 1)
        try:
            _wait_for(stack, "degraded", "read-only (a replica)")
            task_id = acme.submit(task="echo", payload=1)
            # Said at most once a minute: by an earlier test, perhaps.
            for name, message in (("dispatcher", "tickets not offered"), ("worker", "no tickets taken")):
                line, log = f'"{message}", "reason": "Redis is read-only', stack.folder / f"{name}.log"
                wait_until(lambda line=line, log=log: line in log.read_text(), message)
        finally:
            client.replicaof("NO", "ONE")
    _wait_for(stack, "ready")
    assert acme.result(task_id)["result"] == 1
    logs = {name: (stack.folder / f"{name}.log").read_bytes()[at:].decode() for name, at in written.items()}
    # The worker's consumer is not started again and again.
    assert logs["dispatcher"].count('"tickets not offered", "reason": "Redis is read-only') < 5
    assert logs["worker"].count('"no tickets taken", "reason": "Redis is read-only') < 5
    assert "CRITICAL" not in logs["worker"]


def test_a_redis_that_is_full_is_named_and_recovers(stack: Stack, servers: Servers, acme: Tenant):
    with redis.Redis.from_url(servers.valkey.url) as client:
        client.config_set("maxmemory", 1)
        try:
            _wait_for(stack, "degraded", "full (maxmemory)")
            task_id = acme.submit(task="echo", payload=1)
        finally:
            client.config_set("maxmemory", 0)
    _wait_for(stack, "ready")
    assert acme.result(task_id)["result"] == 1


def test_a_redis_that_never_answers_keeps_nobody_waiting(stack: Stack, servers: Servers):
    with _frozen(servers.valkey.pid):
        _wait_for(stack, "degraded", "Redis is away")
        # Each within a probe's patience, or it raises.
        assert {_readiness(stack)["status"] for _ in range(20)} == {"degraded"}
    _wait_for(stack, "ready")


def test_a_postgres_that_never_answers_is_told_at_once(stack: Stack, servers: Servers):
    with _frozen(servers.postgres.pid):
        _wait_for(stack, "unavailable", "Postgres")
        assert {_readiness(stack)["http"] for _ in range(20)} == {503}
    _wait_for(stack, "ready")


def test_a_postgres_that_has_gone_is_told_at_once(stack: Stack, servers: Servers):
    embedded.kill(servers.postgres)
    try:
        _wait_for(stack, "unavailable", "Postgres is away")
        assert httpx.get(f"{stack.url}/healthz", timeout=_PATIENCE, trust_env=False).status_code == 200
    finally:
        servers.postgres = embedded.start_postgres(servers.postgres.folder, port=servers.postgres.port)
    _wait_for(stack, "ready")


def test_a_read_only_postgres_is_not_ready_and_every_part_goes_on_afterwards(
    stack: Stack, servers: Servers, acme: Tenant
):
    stack.start("webhooks", "app.webhooks")
    try:
        scheduled = acme.submit(task="echo", payload="scheduled", delay_seconds=1)
        postgres_pair.set_read_only(servers.postgres, is_read_only=True)
        try:
            found = _wait_for(stack, "unavailable", "read-only")
            assert (found["code"], found["schema_version"]) == ("unavailable", schema.EXPECTED)
            refused = acme.client.post("/api/tasks/submit", json={"task": "echo"})
            assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
            assert int(refused.headers["Retry-After"]) > 0
        finally:
            postgres_pair.set_read_only(servers.postgres, is_read_only=False)
        wait_until(
            lambda: acme.client.post("/api/tasks/submit", json={"task": "echo"}).status_code == 202, "an accepted task"
        )
        assert acme.result(scheduled)["result"] == "scheduled"
        assert acme.result(acme.submit(task="echo", payload=1))["result"] == 1
        _wait_for(stack, "ready")
        assert {name: process.poll() for name, process in stack.processes.items()} == dict.fromkeys(stack.processes)
    finally:
        stack.stop("webhooks")


def test_a_dispatcher_and_workers_that_are_missing_are_named(stack: Stack):
    stack.stop("dispatcher")
    stack.stop("worker")
    try:
        found = _wait_for(stack, "degraded", "no dispatcher leads")
        assert found["dispatcher"] == {"leads": False, "last_round_seconds": None}
        found = _wait_for(stack, "degraded", "no worker is alive")
        assert (found["workers"], found["workers_by_pool"]) == (0, {})
    finally:
        stack.start("dispatcher", "app.dispatch")
        stack.start_worker()
    _wait_for(stack, "ready")


def test_a_worker_of_which_no_slot_turns_is_none(stack: Stack, acme: Tenant):
    worker_id, other_id = uuid.uuid4(), uuid.uuid4()
    insert = "INSERT INTO worker (id, hostname, pool, slots, task_types) VALUES ($1, 'h', 'asyncio', $2, '{test.io.limited}')"
    _as_owner(stack, insert, worker_id, 0)
    try:
        task_id = acme.submit(task="test.io.limited", payload={})
        assert acme.status(task_id)["waiting_reason"] == "NO_WORKER"
        # By the time that the other one is counted, the first one was looked at, too.
        _as_owner(stack, insert, other_id, 1)
        wait_until(lambda: _readiness(stack)["workers_by_pool"].get("asyncio", 0) > 0, "the one whose slot turns")
        assert _readiness(stack)["workers_by_pool"]["asyncio"] == 1
        assert acme.status(task_id)["waiting_reason"] == "QUEUED"
        acme.client.post(f"/api/tasks/{task_id}/cancel")
    finally:
        _as_owner(stack, "DELETE FROM worker WHERE id = ANY($1::uuid[])", [worker_id, other_id])


def _as_owner(stack: Stack, statement: str, *values: object) -> None:
    async def act() -> None:
        owner = await asyncpg.connect(stack.environment["DATABASE_URL"])
        await owner.execute(statement, *values)
        await owner.close()

    asyncio.run(act())


def test_a_dispatcher_that_stands_still_leads_no_more(stack: Stack):
    pid = stack.processes["dispatcher"].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        _wait_for(stack, "degraded", "no dispatcher leads")
    finally:
        os.kill(pid, signal.SIGCONT)
    _wait_for(stack, "ready")
