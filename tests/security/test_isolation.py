"""Another tenant's ids answer like unknown ones, in HTTP and in SQL."""

import uuid
from collections.abc import Callable

import asyncpg
import pytest

from tests.conftest import Tenant, role_url


@pytest.mark.parametrize("path", ["", "/status", "/result"])
@pytest.mark.parametrize("spelling", [str, str.upper])
def test_another_tenants_task_is_an_unknown_task(
    acme: Tenant, globex: Tenant, path: str, spelling: Callable[[str], str]
):
    task_id = acme.submit(task="echo", payload=1)
    foreign = globex.client.get(f"/api/tasks/{spelling(task_id)}{path}")
    unknown = globex.client.get(f"/api/tasks/{uuid.uuid4()}{path}")
    assert foreign.status_code == unknown.status_code == 404
    assert {k: v for k, v in foreign.json().items() if k != "request_id"} == {
        k: v for k, v in unknown.json().items() if k != "request_id"
    }


def test_a_list_holds_the_tenants_own_tasks_only(acme: Tenant, globex: Tenant):
    own = {acme.submit(task="echo", payload=1, tags=["mine"]) for _ in range(3)}
    globex.submit(task="echo", payload=1, tags=["mine"])
    page = acme.client.get("/api/tasks", params={"tag": "mine", "limit": 2})
    assert 'rel="next"' in page.headers["Link"]
    cursor = page.json()["next_cursor"]
    rest = acme.client.get("/api/tasks", params={"tag": "mine", "limit": 2, "cursor": cursor}).json()
    assert {item["task_id"] for item in page.json()["items"] + rest["items"]} == own
    refused = globex.client.get("/api/tasks", params={"cursor": cursor})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_cursor")


async def test_as_tq_api_a_select_without_where_sees_the_current_tenant_only(
    environment: dict[str, str], acme: Tenant, globex: Tenant
):
    acme.submit(task="echo", payload=1)
    globex.submit(task="echo", payload=1)
    connection = await asyncpg.connect(role_url(environment, "tq_api"))
    try:
        assert await connection.fetch("SELECT tenant_id FROM task") == []
        async with connection.transaction():
            await connection.execute("SELECT set_config('app.tenant_ids', $1, true)", "{" + acme.tenant_id + "}")
            seen = {str(row["tenant_id"]) for row in await connection.fetch("SELECT tenant_id FROM task")}
        assert seen == {acme.tenant_id}
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT * FROM task_default")
    finally:
        await connection.close()


async def test_a_terminal_task_never_changes(environment: dict[str, str], acme: Tenant):
    task_id = acme.submit(task="echo", payload=1)
    acme.result(task_id)
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    try:
        with pytest.raises(asyncpg.PostgresError, match="never changes"):
            await connection.execute("UPDATE task SET status = 'PENDING' WHERE id = $1", uuid.UUID(task_id))
    finally:
        await connection.close()


def test_no_credentials_and_wrong_ones_are_401(acme: Tenant):
    wrong = acme.api_key[:-1] + ("y" if acme.api_key.endswith("x") else "x")
    for headers in ({"Authorization": ""}, {"Authorization": f"Bearer {wrong}"}):
        response = acme.client.get("/api/tasks", headers=headers)
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
        assert response.headers["Content-Type"] == "application/problem+json"
