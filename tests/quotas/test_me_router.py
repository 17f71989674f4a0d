"""The call that tells a caller who it is."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.conftest import Tenant

Limited = Callable[..., Tenant]
PASSWORD = "correct horse battery"


@pytest.fixture
def tenant(limited: Limited) -> Tenant:
    return limited(tasks_per_day=7)


def _me(tenant: Tenant, credential: str) -> dict[str, object]:
    answer = httpx.get(
        tenant.client.base_url.join("/api/me"), headers={"Authorization": f"Bearer {credential}"}, trust_env=False
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def _post(tenant: Tenant, path: str, **request: Any) -> httpx.Response:
    # Without the tenant's key, which its own client sends with each request.
    return httpx.post(tenant.client.base_url.join(path), trust_env=False, timeout=40, **request)


def test_a_key_is_told_its_tenant_its_name_its_scopes_and_what_is_used(tenant: Tenant):
    tenant.submit(task="echo", delay_seconds=600)
    me = tenant.client.get("/api/me").json()
    assert me["tenant"] == {"tenant_id": tenant.tenant_id, "slug": tenant.slug, "plan": "free"}
    key_id = tenant.api_key.split("_")[2]
    assert me["credential"] == {"kind": "api_key", "id": key_id, "name": "first", "expires_at": None, "role": None}
    assert me["scopes"] == sorted(me["scopes"])
    assert "portal:create" in me["scopes"]
    assert me["queue"] == {"paused": False, "paused_by": []}
    assert me["limits"] == tenant.client.get("/api/limits").json()["items"]
    (day,) = (limit for limit in me["limits"] if limit["name"] == "tasks_per_day")
    assert day == {"name": "tasks_per_day", "limit": 7, "source": "override", "used": 1}


def test_a_key_without_usage_read_is_not_told_the_limits_and_needs_no_scope_for_the_rest(tenant: Tenant):
    narrow = tenant.client.post(
        "/api/keys", json={"name": "narrow", "scopes": ["tasks:write"], "expires_days": 1}
    ).json()
    me = _me(tenant, narrow["api_key"])
    assert me["credential"] == {
        "kind": "api_key", "id": narrow["key_id"], "name": "narrow", "expires_at": narrow["expires_at"], "role": None,
    }  # fmt: skip
    assert (me["scopes"], me["limits"]) == (["tasks:write"], None)


def test_a_token_is_told_the_key_or_the_member_that_it_was_made_for(tenant: Tenant):
    key_id = tenant.api_key.split("_")[2]
    form = {"grant_type": "client_credentials", "scope": "tasks:read"}
    made = _post(tenant, "/api/auth/token", data=form, auth=(key_id, tenant.api_key))
    of_key = _me(tenant, made.json()["access_token"])
    assert of_key["scopes"] == ["tasks:read"]
    assert _credential(of_key) == ("token", key_id, "first", None)
    email = f"{tenant.slug}@example.com"
    member = tenant.client.post("/api/members", json={"email": email, "role": "viewer", "password": PASSWORD}).json()
    login = _post(tenant, "/api/auth/login", json={"email": email, "password": PASSWORD})
    of_member = _me(tenant, login.json()["access_token"])
    assert _credential(of_member) == ("token", member["member_id"], email, "viewer")
    assert of_member["scopes"] == ["tasks:read", "usage:read", "webhooks:read"]
    assert of_member["limits"]


def _credential(me: dict[str, object]) -> tuple[object, ...]:
    told = me["credential"]
    assert isinstance(told, dict)
    # A token ends within a quarter of an hour of its making, which was a moment ago.
    ends_at = datetime.fromisoformat(told["expires_at"])
    assert timedelta(0) < ends_at - datetime.now(ends_at.tzinfo) <= timedelta(minutes=15, seconds=5)
    return told["kind"], told["id"], told["name"], told["role"]


def test_the_call_counts_against_the_rate(tenant: Tenant):
    assert '"rate";r=' in tenant.client.get("/api/me").headers["RateLimit"]
