"""An ended task is erased: what it was about is gone from every answer and every table, and how it ended stays."""

import asyncio
import uuid
from typing import Any

import asyncpg
import pytest

from tests.conftest import Tenant, role_url, wait_until

SECRET = "a-secret-of-the-customer"
_HOLDERS = ("task", "attempt", "result", "task_log", "delivery", "delivery_attempt", "event", "backlog")


def _erase(tenant: Tenant, task_id: str) -> tuple[int, dict[str, Any]]:
    answer = tenant.client.delete(f"/api/tasks/{task_id}")
    return answer.status_code, answer.json()


def _rows(environment: dict[str, str], task_id: str) -> str:
    """Return all that the tables hold of a task, as text."""

    async def read() -> str:
        owner = await asyncpg.connect(environment["DATABASE_URL"])
        try:
            found = [
                await owner.fetch(f"SELECT t::text FROM {name} t WHERE t::text LIKE $1", f"%{task_id}%")
                for name in _HOLDERS
            ]
        finally:
            await owner.close()
        return "\n".join(str(row["t"]) for rows in found for row in rows)

    return asyncio.run(read())


def test_what_the_task_was_about_is_gone_and_how_it_ended_stays(environment: dict[str, str], acme: Tenant):
    task_id = acme.submit(task="echo", payload={"text": SECRET}, tags=[SECRET], metadata={"customer": SECRET})
    acme.result(task_id)
    before = acme.client.get(f"/api/tasks/{task_id}").json()
    assert SECRET in _rows(environment, task_id)
    code, erased = _erase(acme, task_id)
    assert (code, erased["task_id"], erased["status"]) == (200, task_id, "SUCCESS")
    after = acme.client.get(f"/api/tasks/{task_id}", params={"include": "result"}).json()
    gone = {
        "payload": None,
        "tags": [],
        "metadata": {},
        "progress": None,
        "erased_at": erased["erased_at"],
        "result": None,
    }
    assert after == before | gone
    [item] = [one for one in acme.client.get("/api/tasks").json()["items"] if one["task_id"] == task_id]
    assert (item["erased_at"], item["tags"]) == (erased["erased_at"], [])
    assert SECRET not in _rows(environment, task_id)
    assert _erase(acme, task_id) == (code, erased)


def test_errors_of_attempts_and_log_lines_go_too(environment: dict[str, str], acme: Tenant):
    failed = acme.submit(task="test.fails", payload={"a": 1, "b": 1})
    acme.result(failed)
    logged = acme.submit(task="test.logs", payload={"lines": 3})
    acme.result(logged)
    assert "ValueError" in _rows(environment, failed)
    assert "line 0" in _rows(environment, logged)
    for task_id in (failed, logged):
        assert _erase(acme, task_id)[0] == 200
    whole = acme.client.get(f"/api/tasks/{failed}").json()
    assert (whole["status"], whole["error"]) == ("FAILURE", None)
    assert {attempt["error"] for attempt in whole["attempts"]} == {None}
    assert acme.client.get(f"/api/tasks/{logged}/logs").json() == {"items": [], "next_cursor": None}
    assert "ValueError" not in _rows(environment, failed)
    assert "line 0" not in _rows(environment, logged)


def test_the_result_and_the_retry_of_an_erased_task_are_gone(acme: Tenant):
    task_id = acme.submit(task="echo", payload=1)
    acme.result(task_id)
    _erase(acme, task_id)
    answers = [
        acme.client.get(f"/api/tasks/{task_id}/result"),
        acme.client.get(f"/api/tasks/{task_id}/result", params={"wait": 5}),
        acme.client.post(f"/api/tasks/{task_id}/retry"),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(410, "task_erased")] * 3
    assert acme.status(task_id)["status"] == "SUCCESS"


def test_a_task_that_waits_or_runs_is_not_erased(acme: Tenant):
    waiting = acme.submit(task="echo", payload=SECRET, delay_seconds=3600)
    running = acme.submit(task="long_task", payload={"seconds": 60, "steps": 200})
    wait_until(lambda: acme.status(running)["status"] == "STARTED", "the start")
    for task_id in (waiting, running):
        code, problem = _erase(acme, task_id)
        assert (code, problem["code"]) == (409, "illegal_state")
    assert acme.client.get(f"/api/tasks/{waiting}").json()["payload"] == SECRET
    acme.client.post(f"/api/tasks/{running}/cancel")


async def test_only_the_whole_erasure_passes_the_guard_of_ended_tasks(environment: dict[str, str], acme: Tenant):
    task_id = await asyncio.to_thread(acme.submit, task="echo", payload=1, tags=["a"])
    await asyncio.to_thread(acme.result, task_id)
    owner = await asyncpg.connect(environment["DATABASE_URL"])
    whole = (
        "payload = 'null', error = NULL, result = NULL, progress = NULL, tags = '{}', metadata = NULL, metadata_labels = NULL,"
        " erased_at = now()"
    )
    try:
        for wrong in (
            "erased_at = now()",
            f"{whole}, status = 'FAILURE'",
            f"{whole}, finished_at = now()",
            "tags = '{}'",
        ):
            with pytest.raises(asyncpg.PostgresError, match="never changes"):
                await owner.execute(f"UPDATE task SET {wrong} WHERE id = $1", uuid.UUID(task_id))
        await owner.execute(f"UPDATE task SET {whole} WHERE id = $1", uuid.UUID(task_id))
        for again in ("erased_at = now() + interval '1 day'", "erased_at = NULL", whole):
            with pytest.raises(asyncpg.PostgresError, match="never changes"):
                await owner.execute(f"UPDATE task SET {again} WHERE id = $1", uuid.UUID(task_id))
    finally:
        await owner.close()


async def test_the_function_erases_nothing_outside_the_tenants_of_its_transaction(
    environment: dict[str, str], acme: Tenant, globex: Tenant
):
    task_id = await asyncio.to_thread(acme.submit, task="echo", payload=SECRET)
    await asyncio.to_thread(acme.result, task_id)
    api = await asyncpg.connect(role_url(environment, "tq_api"))
    call = "SELECT * FROM task_erase($1, $2)"
    try:
        assert await api.fetch(call, uuid.UUID(acme.tenant_id), uuid.UUID(task_id)) == []
        async with api.transaction():
            await api.execute("SELECT set_config('app.tenant_ids', $1, true)", "{" + globex.tenant_id + "}")
            for tenant in (acme, globex):
                assert await api.fetch(call, uuid.UUID(tenant.tenant_id), uuid.UUID(task_id)) == []
    finally:
        await api.close()
    assert (await asyncio.to_thread(acme.result, task_id))["result"] == SECRET
