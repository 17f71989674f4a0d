"""A tenant that leaves: what it has ends, and nothing of it stays."""

import asyncio
import json
import subprocess
import uuid
from collections.abc import Callable
from typing import Any

import asyncpg
import redis

from tests.conftest import Servers, Tenant, wait_until


def _rows(environment: dict[str, str], tenant_id: str) -> dict[str, int]:
    async def count() -> dict[str, int]:
        owner = await asyncpg.connect(environment["DATABASE_URL"])
        try:
            tables = await owner.fetch(
                "SELECT DISTINCT table_name AS name FROM information_schema.columns"
                " WHERE table_schema = 'public' AND column_name = 'tenant_id'"
            )
            counts = {}
            for table in tables:
                found = await owner.fetchval(
                    f'SELECT count(*) FROM "{table["name"]}" WHERE tenant_id = $1', uuid.UUID(tenant_id)
                )
                counts[table["name"]] = found
            return counts
        finally:
            await owner.close()

    return {name: found for name, found in asyncio.run(count()).items() if found}


async def _make_deliveries(environment: dict[str, str], tenant_id: str) -> None:
    """Do what the process of webhooks does, which does not run here."""
    owner = await asyncpg.connect(environment["DATABASE_URL"])
    try:
        assert await owner.fetchval("SELECT made FROM webhook_fan_out($1, 10, '')", [uuid.UUID(tenant_id)]) == 1
    finally:
        await owner.close()


def _delete(admin: Callable[..., subprocess.CompletedProcess[str]], slug: str, confirm: str) -> Any:
    return admin("tenant", "delete", slug, "--confirm", confirm, "--json")


def test_a_tenant_that_is_deleted_leaves_nothing(
    make_tenant: Callable[..., Tenant],
    admin: Callable[..., subprocess.CompletedProcess[str]],
    environment: dict[str, str],
    servers: Servers,
    acme: Tenant,
):
    tenant = make_tenant("leaving")
    # Large enough for a row of its own.
    ended = tenant.submit(task="echo", payload="a" * 3_000)
    tenant.result(ended)
    waiting = tenant.submit(task="echo", payload=2, delay_seconds=600, webhook_url="http://127.0.0.1:9/")
    tenant.client.post(f"/api/tasks/{waiting}/cancel")
    tenant.submit(task="echo", payload=3, delay_seconds=600)
    tenant.result(tenant.submit(task="test.logs", payload={"lines": 1}))
    running = tenant.submit(task="test.deaf")
    wait_until(lambda: tenant.status(running)["status"] == "STARTED", "the start")
    assert admin("member", "add", "leaving", "owner@leaving.example", "--role", "owner").returncode == 0
    asyncio.run(_make_deliveries(environment, tenant.tenant_id))
    assert _rows(environment, tenant.tenant_id).keys() >= {
        "task", "attempt", "result", "task_log", "backlog", "event", "webhook_cursor", "delivery", "member",
    }  # fmt: skip

    assert _delete(admin, "leaving", "staying").returncode == 2
    assert tenant.status(ended)["status"] == "SUCCESS"

    done = _delete(admin, "leaving", "leaving")
    assert done.returncode == 0, done.stderr
    erased = json.loads(done.stdout.splitlines()[-1])["erased"]
    assert (erased["task"], erased["api_key"], erased["tenant"]) == (5, 1, 1)
    assert _rows(environment, tenant.tenant_id) == {}
    with redis.Redis.from_url(servers.valkey.url) as client:
        assert list(client.scan_iter(match=f"*{tenant.tenant_id}*")) == []
    wait_until(lambda: tenant.client.get("/api/tasks").status_code == 401, "the refusal")
    # The child that ran its code is free again, and the slug too.
    assert acme.result(acme.submit(task="echo", payload=1))["result"] == 1
    assert make_tenant("leaving").tenant_id != tenant.tenant_id


def test_an_unknown_tenant_cannot_be_deleted(admin: Callable[..., subprocess.CompletedProcess[str]]):
    assert _delete(admin, "nobody", "nobody").returncode == 3
