"""The product behind PgBouncer in transaction mode: no statement, lock or setting of ours needs a session of its own."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest

from scripts.stack import ports
from tests import operator_commands
from tests.conftest import ROOT, Servers, Stack, Tenant, wait_until
from tests.e2e import pooler
from tests.webhooks.receiver import Receiver

_NAME = "pooled"
_FAULTS = ("prepared statement", "Traceback", "a duty has failed", "not written", "InvalidSQLStatementName")


def _execute(url: str, statement: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())


def _admin(settings: dict[str, str], *command: str) -> Any:
    done = operator_commands.run(settings, *command, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@dataclass
class Pooled:
    """A stack whose every connection goes through the pooler."""

    stack: Stack
    tenant: Tenant
    receiver: Receiver

    def dispatchers(self, line: str) -> list[str]:
        """Name the dispatchers whose logs have a line."""
        names = ("pooled_dispatcher1", "pooled_dispatcher2")
        return [name for name in names if line in (self.stack.folder / f"{name}.log").read_text()]


@pytest.fixture(scope="module", params=[0, 100], ids=["without a statement cache", "with a statement cache"])
def pooled(request: pytest.FixtureRequest, environment: dict[str, str], servers: Servers) -> Iterator[Pooled]:
    """Run two of dispatchers and one of all else, with a database and a Redis of their own."""
    found, cache = pooler.version(), request.param
    if cache and found < (1, 21):
        pytest.skip(
            f"PgBouncer {found[0]}.{found[1]} does not know prepared statements in transaction mode: needs 1.21"
        )
    settings = {} if not cache else {"max_prepared_statements": 200}
    with ExitStack() as cleanup:
        name = f"{_NAME}_{cache}"
        _execute(environment["DATABASE_URL"], f"CREATE DATABASE {name}")
        url = cleanup.enter_context(pooler.running(environment, **settings)).rpartition("/")[0] + f"/{name}"
        made = environment | {
            "DATABASE_URL": url,
            "REDIS_URL": servers.valkey.url.removesuffix("/0") + "/10",
            "DATABASE_STATEMENT_CACHE": str(cache),
            "DATABASE_POOL_SIZE": "6",
        }
        for command in ("bootstrap", "migrate", "migrate"):
            _admin(made, command)
        tenant = _admin(made, "tenant", "create", "pooled", "--name", "Pooled", "--plan", "enterprise")
        stack = _start(cleanup, made, servers)
        client = cleanup.enter_context(
            httpx.Client(
                base_url=stack.url,
                timeout=40,
                trust_env=False,
                headers={"Authorization": f"Bearer {tenant['api_key']}"},
            )
        )
        receiver = Receiver()
        cleanup.callback(receiver.close)
        yield Pooled(
            stack,
            Tenant(tenant["tenant_id"], "pooled", tenant["api_key"], tenant["webhook_secret"], client),
            receiver,
        )


def _start(cleanup: ExitStack, made: dict[str, str], servers: Servers) -> Stack:
    port = ports.free_port()
    stack = Stack(f"http://127.0.0.1:{port}", made, servers.folder, {})

    def stop() -> None:
        for name in list(stack.processes):
            stack.stop(name)

    cleanup.callback(stop)
    stack.start("pooled_api", "uvicorn", "app.main:app", "--port", str(port), "--no-access-log",
                "--http", "app.http.protocol_limits:GuardedProtocol")  # fmt: skip
    for name, module in (("dispatcher1", "dispatch"), ("dispatcher2", "dispatch"), ("webhooks", "webhooks")):
        stack.start(f"pooled_{name}", f"app.{module}")
    stack.start_worker("pooled_worker")
    stack.wait_for_workers(1)
    return stack


def test_many_tasks_of_every_kind_end(pooled: Pooled):
    tenant = pooled.tenant
    bodies = [{"task": "echo", "payload": n} for n in range(40)]
    bodies += [{"payload": {"seconds": 0.1, "steps": 2, "fail_attempts": n % 2, "value": n}} for n in range(6)]
    bodies += [{"task": "echo", "payload": n, "delay_seconds": 1} for n in range(4)]
    with ThreadPoolExecutor(8) as threads:
        task_ids = list(threads.map(lambda body: tenant.submit(**body), bodies))
    assert {tenant.result(task_id)["status"] for task_id in task_ids} == {"SUCCESS"}
    assert len(tenant.client.get("/api/tasks", params={"limit": 50}).json()["items"]) == 50


def test_a_batch_is_accepted_and_ends(pooled: Pooled):
    answer = pooled.tenant.client.post(
        "/api/tasks/batch", json={"tasks": [{"task": "echo", "payload": n} for n in range(20)]}
    )
    assert answer.status_code == 202, answer.text
    wait_until(
        lambda: not pooled.tenant.client.get("/api/tasks", params={"status": "PENDING"}).json()["items"],
        "the batch's end",
    )


def test_waiting_and_running_tasks_are_cancelled_and_run_again(pooled: Pooled):
    tenant = pooled.tenant
    waiting = tenant.submit(task="echo", payload=1, delay_seconds=60)
    running = tenant.submit(payload={"seconds": 60, "steps": 600})
    wait_until(lambda: tenant.status(running)["status"] == "STARTED", "a start")
    for task_id in (waiting, running):
        assert tenant.client.post(f"/api/tasks/{task_id}/cancel").status_code in {200, 202}
        assert tenant.result(task_id)["status"] == "REVOKED"
    again = tenant.client.post(f"/api/tasks/{waiting}/retry")
    assert again.status_code == 202, again.text
    assert tenant.result(again.json()["task_id"])["status"] == "SUCCESS"


def test_an_end_is_told_to_its_webhook(pooled: Pooled):
    task_id = pooled.tenant.submit(task="echo", payload=1, webhook_url=pooled.receiver.on("/pooled"))
    [told] = pooled.receiver.wait_for("/pooled")
    assert told.verify(pooled.tenant.webhook_secret)["data"]["task_id"] == task_id


def test_of_two_dispatchers_exactly_one_leads_and_the_other_takes_over_from_one_that_stands_still(pooled: Pooled):
    wait_until(lambda: len(pooled.dispatchers("dispatcher leads")) == 1, "a leader")
    wait_until(lambda: len(pooled.dispatchers("dispatcher stands by")) == 1, "a standby")
    [leader] = pooled.dispatchers("dispatcher leads")
    assert pooled.dispatchers("dispatcher stands by") != [leader]
    process = pooled.stack.processes[leader]
    os.kill(process.pid, signal.SIGSTOP)
    began = time.monotonic()
    try:
        wait_until(lambda: len(pooled.dispatchers("dispatcher leads")) == 2, "the standby's lead", 20)
        # The lease is 4 s; the rest is for a machine that has other things to do.
        assert time.monotonic() - began < 12
    finally:
        os.kill(process.pid, signal.SIGCONT)
    log = pooled.stack.folder / f"{leader}.log"
    wait_until(lambda: "dispatcher leads no more" in log.read_text(), "the former leader's note")
    wait_until(lambda: len(pooled.dispatchers("dispatcher stands by")) == 2, "that it stands by")
    assert pooled.tenant.result(pooled.tenant.submit(task="echo", payload=1, delay_seconds=0.5))["status"] == "SUCCESS"


def test_no_part_has_met_a_fault_of_the_pooler(pooled: Pooled):
    # A test before this one may have taken the lead from a dispatcher, which readiness tells for two seconds.
    wait_until(lambda: pooled.tenant.client.get("/readyz").json()["status"] == "ready", "readiness", 10)
    assert [name for name, process in pooled.stack.processes.items() if process.poll() is not None] == []
    for name in pooled.stack.processes:
        text = (pooled.stack.folder / f"{name}.log").read_text()
        assert [fault for fault in _FAULTS if fault in text] == [], name


_PROGRAM = """
import asyncio, uuid
from app.db import Database

async def see(database, tenant_id):
    async with database.transaction(tenant_id) as connection:
        await connection.fetchval("SELECT pg_sleep(0.005)")
        seen = await connection.fetchval("SELECT current_setting('app.tenant_ids')")
        assert seen == "{%s}" % tenant_id, seen
        assert await connection.fetchval("SELECT $1::uuid[]", [tenant_id]) == [tenant_id]
        assert await connection.fetchval("SELECT $1::jsonb", {"a": 1}) == {"a": 1}

async def main():
    database = Database("tq_api", size=8)
    for _ in range(10):
        await asyncio.gather(*(see(database, uuid.uuid4()) for _ in range(8)))
    await database.close()

asyncio.run(main())
"""


def test_the_tenants_of_a_transaction_are_its_own_though_connections_are_shared(pooled: Pooled):
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], cwd=ROOT, env=pooled.stack.environment, check=False, capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
