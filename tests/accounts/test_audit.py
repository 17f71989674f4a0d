"""The audit log: what a tenant sees of who did what, and what nobody can do to it."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest

from tests.accounts.conftest import Anonymous, issue, token_of
from tests.conftest import Tenant, role_url


def test_every_change_is_told_with_who_what_and_from_where(acme: Tenant, anonymous: Anonymous):
    manager, client = issue(acme, name="manager"), anonymous()
    client.headers["Authorization"] = f"Bearer {token_of(client, manager['api_key'])}"
    key = client.post("/api/keys", json={"name": "made"}).json()
    new = client.post(f"/api/keys/{key['key_id']}/rotate", json={"overlap_seconds": 60}).json()
    client.delete(f"/api/keys/{key['key_id']}")
    email = f"{uuid.uuid4().hex[:8]}@example.com"
    member = client.post("/api/members", json={"email": email, "role": "viewer"}).json()
    client.patch(f"/api/members/{member['member_id']}", json={"role": "developer"})
    client.delete(f"/api/members/{member['member_id']}")
    events = client.get("/api/audit", params={"actor": manager["key_id"]}).json()["items"]
    assert [(event["action"], event["object"]) for event in reversed(events)] == [
        ("key.issued", key["key_id"]),
        ("key.rotated", key["key_id"]),
        ("key.revoked", key["key_id"]),
        ("member.added", email),
        ("member.changed", email),
        ("member.removed", email),
    ]
    assert {(event["actor_type"], event["address"][:6]) for event in events} == {("api_key", "127.9.")}
    assert events[4]["detail"] == {"successor": new["key_id"], "overlap_seconds": 60}
    assert events[1]["detail"] == {"role": "developer"}
    assert key["api_key"] not in str(events)
    assert member["initial_password"] not in str(events)


def test_an_operator_is_told_but_not_named(acme: Tenant):
    events = acme.client.get("/api/audit", params={"actor": "operator", "limit": 100}).json()["items"]
    assert {event["action"] for event in events} >= {"tenant.created", "key.issued"}
    assert {(event["actor_type"], event["actor"], event["address"]) for event in events} == {("operator", None, None)}


def test_the_log_is_read_by_action_by_time_and_in_pages(acme: Tenant):
    for _ in range(3):
        issue(acme)
    wanted = {"action": "key.issued", "limit": 2}
    first = acme.client.get("/api/audit", params=wanted)
    assert 'rel="next"' in first.headers["Link"]
    assert "action=key.issued" in first.headers["Link"]
    second = acme.client.get("/api/audit", params=wanted | {"cursor": first.json()["next_cursor"]}).json()
    ids = [event["event_id"] for event in first.json()["items"] + second["items"]]
    assert ids == sorted(ids, reverse=True)
    assert {event["action"] for event in second["items"]} == {"key.issued"}
    later = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    assert acme.client.get("/api/audit", params={"created_from": later}).json()["items"] == []
    assert acme.client.get("/api/audit", params={"created_to": later}).json()["items"]


async def test_a_third_list_at_once_is_refused_and_others_are_served_meanwhile(
    owner: asyncpg.Connection, acme: Tenant, globex: Tenant
):
    who = {"base_url": acme.client.base_url, "headers": acme.client.headers, "trust_env": False}
    async with httpx.AsyncClient(**who) as client, owner.transaction():
        # Whoever reads the log waits for as long as the api waits for Postgres.
        await owner.execute("LOCK audit_event")
        asked = [asyncio.create_task(client.get("/api/audit")) for _ in range(3)]
        done, _ = await asyncio.wait(asked, timeout=10, return_when=asyncio.FIRST_COMPLETED)
        served = await asyncio.to_thread(globex.client.get, "/api/tasks")
        answers = [await task for task in asked]
    [refused] = [await task for task in done]
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_lists")
    assert refused.headers["Retry-After"] == "1"
    assert served.status_code == 200
    assert sorted(answer.status_code for answer in answers) == [429, 503, 503]
    assert acme.client.get("/api/audit").status_code == 200


def test_a_tenant_sees_its_own_log_only(acme: Tenant, globex: Tenant):
    key_id = issue(acme)["key_id"]
    assert key_id in acme.client.get("/api/audit").text
    assert key_id not in globex.client.get("/api/audit", params={"limit": 100}).text


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "action=%00", "action=KEY", "actor=%00", "actor=%20", "created_from=2027-01-01T00:00:00",
     "created_to=x", "cursor=" + "x" * 513],
)  # fmt: skip
def test_what_is_no_filter_is_a_422(acme: Tenant, query: str):
    assert acme.client.get(f"/api/audit?{query}").status_code == 422


async def test_nobody_alters_or_removes_an_event(environment: dict[str, str], owner: asyncpg.Connection, acme: Tenant):
    with pytest.raises(asyncpg.PostgresError, match="append-only"):
        await owner.execute("UPDATE audit_event SET actor = 'x'")
    for statement in ("UPDATE audit_event SET actor = 'x'", "DELETE FROM audit_event"):
        for role in ("tq_account", "tq_admin"):
            await _refused(environment, role, acme, statement)


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("tq_account", "SELECT digest FROM api_key"),
        ("tq_account", "SELECT password_hash FROM person"),
        ("tq_account", "SELECT invitation FROM member"),
        ("tq_account", "SELECT digest FROM console_session"),
        ("tq_account", "SELECT digest FROM portal_link"),
        ("tq_api", "SELECT id FROM console_session"),
        ("tq_account", "SELECT payload FROM task"),
        # It seals, shows and replaces the secrets that sign webhooks, but never changes one in its place.
        ("tq_account", "UPDATE webhook_secret SET sealed = ''"),
        ("tq_account", "UPDATE api_key SET scopes = '{}'"),
        ("tq_account", "UPDATE tenant SET plan = 'enterprise'"),
        ("tq_account", "DELETE FROM revoked_token"),
        ("tq_api", "SELECT email FROM member"),
        ("tq_api", "SELECT actor FROM audit_event"),
        ("tq_auth", "UPDATE member SET role = 'owner'"),
        ("tq_auth", "INSERT INTO revoked_token (tenant_id, jti, expires_at) SELECT id, id, now() FROM tenant"),
    ],
)
async def test_each_role_may_do_its_own_work_only(environment: dict[str, str], acme: Tenant, role: str, statement: str):
    await _refused(environment, role, acme, statement)


async def _refused(environment: dict[str, str], role: str, tenant: Tenant, statement: str) -> None:
    connection = await asyncpg.connect(role_url(environment, role))
    try:
        await connection.execute(f"SET app.tenant_ids = '{{{tenant.tenant_id}}}'")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_an_account_transaction_sees_its_tenant_only(environment: dict[str, str], acme: Tenant, globex: Tenant):
    acme_id = uuid.UUID(acme.tenant_id)
    connection = await asyncpg.connect(role_url(environment, "tq_account"))
    try:
        assert await connection.fetchval("SELECT count(id) FROM api_key") == 0
        await connection.execute(f"SET app.tenant_ids = '{{{acme.tenant_id}}}'")
        for table, column in (
            ("api_key", "tenant_id"),
            ("member", "tenant_id"),
            ("audit_event", "tenant_id"),
            ("tenant", "id"),
        ):
            seen = {row[0] for row in await connection.fetch(f"SELECT {column} FROM {table}")}
            assert seen <= {acme_id}, table
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await connection.execute(
                "INSERT INTO audit_event (id, tenant_id, actor_type, actor, action, object)"
                " VALUES ($1, $2, 'operator', 'x', 'x', 'x')", uuid.uuid4(), uuid.UUID(globex.tenant_id),
            )  # fmt: skip
    finally:
        await connection.close()


async def test_tq_auth_prunes_what_has_expired_and_no_revocation_that_counts(
    environment: dict[str, str], owner: asyncpg.Connection, acme: Tenant
):
    tenant_id, old, living = uuid.UUID(acme.tenant_id), uuid.uuid4(), uuid.uuid4()
    await owner.execute(
        "INSERT INTO revoked_token VALUES ($1, $2, now() - interval '1 s'), ($1, $3, now() + interval '1 min')",
        tenant_id, old, living,
    )  # fmt: skip
    connection = await asyncpg.connect(role_url(environment, "tq_auth"))
    try:
        await connection.execute("DELETE FROM revoked_token")
        left = {row["jti"] for row in await connection.fetch("SELECT jti FROM revoked_token")}
        assert living in left
        assert old not in left
    finally:
        await connection.close()


@pytest.mark.parametrize("first", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00"])
@pytest.mark.parametrize("last", ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"])
def test_a_time_may_be_as_far_away_as_the_calendar_goes(acme: Tenant, first: str, last: str):
    page = acme.client.get("/api/audit", params={"created_from": first, "created_to": last, "limit": 1})
    assert page.status_code == 200
    assert page.json()["items"]
