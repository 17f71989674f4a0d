"""What credentials cannot do to others: outlive them, take away what they do not have, fill tables for ever."""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

import asyncpg
import httpx
import pytest

from app.audit import log as audit
from app.core import ids
from tests.accounts.conftest import Anonymous, issue, token_of, with_token
from tests.conftest import Tenant


def _headers(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


@pytest.mark.parametrize("is_token", [False, True], ids=["a key", "a token of a key"])
@pytest.mark.parametrize("days", [None, 3_650])
def test_a_key_that_ends_makes_none_that_outlives_it(
    acme: Tenant, anonymous: Anonymous, days: int | None, is_token: bool
):
    short, client = issue(acme, expires_days=1), anonymous()
    credential = token_of(client, short["api_key"]) if is_token else short["api_key"]
    made = client.post("/api/keys", json={"name": "x", "expires_days": days}, headers=_headers(credential))
    assert (made.status_code, made.json()["expires_at"]) == (201, short["expires_at"])


def test_a_key_that_ends_sooner_than_its_maker_ends_when_it_was_asked_to(acme: Tenant, anonymous: Anonymous):
    week, client = issue(acme, expires_days=7), anonymous()
    made = client.post("/api/keys", json={"name": "x", "expires_days": 1}, headers=_headers(week["api_key"])).json()
    life = datetime.fromisoformat(made["expires_at"]) - datetime.fromisoformat(made["created_at"])
    assert life == timedelta(days=1)


def test_a_key_that_rotates_itself_or_another_gains_no_time(acme: Tenant, anonymous: Anonymous):
    short, lasting, client = issue(acme, expires_days=1), issue(acme), anonymous()
    other = client.post(f"/api/keys/{lasting['key_id']}/rotate", headers=_headers(short["api_key"]))
    assert (other.status_code, other.json()["expires_at"]) == (201, short["expires_at"])
    itself = client.post(f"/api/keys/{short['key_id']}/rotate", headers=_headers(short["api_key"]))
    assert (itself.status_code, itself.json()["expires_at"]) == (201, short["expires_at"])


def test_a_key_that_ends_gives_members_no_rights(acme: Tenant, anonymous: Anonymous):
    short, client = issue(acme, expires_days=1), anonymous()
    address = f"{uuid.uuid4().hex}@example.com"
    refused = client.post("/api/members", json={"email": address, "role": "viewer"}, headers=_headers(short["api_key"]))
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    member = acme.client.post("/api/members", json={"email": address, "role": "viewer"}).json()["member_id"]
    path = f"/api/members/{member}"
    raised = client.patch(path, json={"role": "developer"}, headers=_headers(short["api_key"]))
    assert (raised.status_code, raised.json()["code"]) == (403, "insufficient_scope")
    # What takes rights away is open to it.
    assert client.patch(path, json={"disabled": True}, headers=_headers(short["api_key"])).status_code == 200


def test_a_key_revokes_none_that_may_do_more(acme: Tenant, anonymous: Anonymous):
    narrow, full, client = issue(acme, scopes=["keys:manage"]), issue(acme), anonymous()
    refused = client.delete(f"/api/keys/{full['key_id']}", headers=_headers(narrow["api_key"]))
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    assert with_token(client, full["api_key"]) == 200
    assert client.delete(f"/api/keys/{narrow['key_id']}", headers=_headers(narrow["api_key"])).status_code == 204
    assert acme.client.delete(f"/api/keys/{full['key_id']}").status_code == 204


def test_a_key_that_is_revoked_again_leaves_no_second_event(acme: Tenant):
    key = issue(acme)
    assert {acme.client.delete(f"/api/keys/{key['key_id']}").status_code for _ in range(3)} == {204}
    events = acme.client.get("/api/audit", params={"action": "key.revoked", "limit": 100}).json()["items"]
    assert [event["object"] for event in events].count(key["key_id"]) == 1


@pytest.fixture
async def busy(make_tenant: Callable[..., Tenant], owner: asyncpg.Connection) -> Tenant:
    """A tenant that has made as many changes as a day may have, but for one."""
    tenant = make_tenant(f"busy-{uuid.uuid4().hex[:8]}", plan="enterprise")
    await owner.execute(
        "INSERT INTO audit_event (id, tenant_id, actor_type, actor, action, object)"
        " SELECT id, $2, 'api_key', 'k', 'key.issued', 'k' FROM unnest($1::uuid[]) AS id",
        [ids.new_id() for _ in range(audit.MAX_EVENTS_PER_DAY - 1)], uuid.UUID(tenant.tenant_id),
    )  # fmt: skip
    return tenant


def test_a_day_has_so_many_changes_and_what_takes_rights_away_is_never_refused(busy: Tenant, anonymous: Anonymous):
    last = issue(busy)
    member = {"email": f"{uuid.uuid4().hex}@example.com", "role": "viewer"}
    for refused in (
        busy.client.post("/api/keys", json={"name": "one more"}),
        busy.client.post(f"/api/keys/{last['key_id']}/rotate"),
        busy.client.post("/api/members", json=member),
    ):
        assert (refused.status_code, refused.json()["code"]) == (409, "limit_reached")
    client = anonymous()
    token = token_of(client, last["api_key"])
    assert client.post("/api/auth/revoke", data={"token": token}, headers=_headers(token)).status_code == 200
    assert busy.client.delete(f"/api/keys/{last['key_id']}").status_code == 204
    assert _actions(busy.client)[:1] == ["key.revoked"]


def _actions(client: httpx.Client) -> list[str]:
    return [event["action"] for event in client.get("/api/audit", params={"limit": 5}).json()["items"]]
