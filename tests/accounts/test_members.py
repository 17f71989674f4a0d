"""Members over HTTP: who may log in, as what, and for how long."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncpg
import httpx
import pytest
from argon2 import PasswordHasher

from tests.accounts.conftest import Anonymous, issue, wait_for_refusal, with_token
from tests.conftest import Tenant, wait_until

PASSWORD = "correct horse battery"


def _email() -> str:
    return f"{uuid.uuid4().hex[:10]}@example.com"


def add(tenant: Tenant, role: str = "viewer", email: str | None = None) -> dict[str, Any]:
    """Add a member with the password of these tests."""
    body = {"email": email or _email(), "role": role, "password": PASSWORD}
    response = tenant.client.post("/api/members", json=body)
    assert response.status_code == 201, response.text
    return dict(response.json())


def login(anonymous: Anonymous, email: str, password: str = PASSWORD) -> Any:
    """Log in from an address of its own."""
    return anonymous().post("/api/auth/login", json={"email": email, "password": password})


@pytest.mark.parametrize(
    ("role", "scope"),
    [
        ("viewer", "tasks:read usage:read webhooks:read"),
        ("developer", "schedules:manage tasks:read tasks:write usage:read webhooks:manage webhooks:read"),
        (
            "owner",
            "keys:manage portal:create schedules:manage tasks:read tasks:work tasks:write usage:read webhooks:manage webhooks:read",
        ),
    ],
)
def test_a_member_logs_in_with_the_scopes_of_its_role(acme: Tenant, anonymous: Anonymous, role: str, scope: str):
    email = _email()
    made = acme.client.post("/api/members", json={"email": email.upper(), "role": role})
    assert (made.status_code, made.headers["Cache-Control"], made.json()["email"]) == (201, "no-store", email)
    response = login(anonymous, f" {email.title()} ", made.json()["initial_password"])
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
    assert response.json()["scope"] == scope
    token = response.json()["access_token"]
    assert with_token(anonymous(), token) == 200
    assert with_token(anonymous(), token, "/api/members") == (200 if role == "owner" else 403)
    assert made.json()["initial_password"] not in acme.client.get("/api/members", params={"limit": 100}).text


def test_a_wrong_password_an_unknown_address_and_a_barred_member_are_told_apart_by_nothing(
    acme: Tenant, anonymous: Anonymous
):
    known, barred = add(acme), add(acme)
    assert acme.client.patch(f"/api/members/{barred['member_id']}", json={"disabled": True}).status_code == 200
    answers = [
        login(anonymous, known["email"], "wrong password"),
        login(anonymous, _email()),
        login(anonymous, "no address at all"),
        login(anonymous, barred["email"]),
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text.replace(answer.json()["request_id"], "") for answer in answers}) == 1
    assert all("WWW-Authenticate" in answer.headers for answer in answers)


async def test_a_suspension_is_told_to_who_knows_the_password_only(
    side: Tenant, owner: asyncpg.Connection, anonymous: Anonymous
):
    member = add(side)
    await owner.execute("UPDATE tenant SET status = 'suspended' WHERE slug = 'side'")
    assert login(anonymous, member["email"], "wrong password").status_code == 401
    refused = login(anonymous, member["email"])
    assert (refused.status_code, refused.json()["code"]) == (403, "tenant_suspended")
    await owner.execute("UPDATE tenant SET status = 'active' WHERE slug = 'side'")
    wait_until(lambda: with_token(anonymous(), side.api_key) == 200, "the return", 3)


@pytest.mark.parametrize(
    "body",
    [
        {}, {"email": "a@b.c"}, {"email": "a@b.c", "password": ""}, {"email": "a@b.c", "password": "x" * 257},
        {"email": 1, "password": "x"}, {"email": "a@b.c", "password": "x", "scope": "y"},
    ],
)  # fmt: skip
def test_what_is_no_login_is_a_422(anonymous: Anonymous, body: dict[str, object]):
    assert anonymous().post("/api/auth/login", json=body).status_code == 422


def test_the_eleventh_login_of_an_address_waits_whatever_a_header_says(anonymous: Anonymous):
    client = anonymous()
    sent = [
        client.post(
            "/api/auth/login",
            json={"email": _email(), "password": "x"},
            headers={"X-Forwarded-For": f"192.0.2.{number}", "Forwarded": f"for=192.0.2.{number}"},
        )
        for number in range(11)
    ]
    assert [answer.status_code for answer in sent] == [401] * 10 + [429]
    assert (sent[10].json()["code"], int(sent[10].headers["Retry-After"]) > 0) == ("too_many_attempts", True)


@pytest.mark.parametrize("is_known", [True, False])
def test_the_tries_on_one_account_wait_longer_and_longer(acme: Tenant, anonymous: Anonymous, is_known: bool):
    email = add(acme)["email"] if is_known else _email()
    answers = [login(anonymous, email, "wrong password").status_code for _ in range(6)]
    assert answers == [401] * 5 + [429]
    # The right password waits too: else the wait would tell it.
    waits = login(anonymous, email)
    assert (waits.status_code, waits.json()["code"]) == (429, "too_many_attempts")
    assert 1 <= int(waits.headers["Retry-After"]) <= 2
    if is_known:
        wait_until(lambda: login(anonymous, email).status_code == 200, "the wait's end", 5)


def test_a_new_password_kills_every_earlier_token(acme: Tenant, anonymous: Anonymous):
    member, client = add(acme), anonymous()
    token = login(anonymous, member["email"]).json()["access_token"]
    body = {"current_password": PASSWORD, "new_password": "another long password"}
    headers = {"Authorization": f"Bearer {token}"}
    wrong = client.post("/api/auth/password", json=body | {"current_password": "wrong"}, headers=headers)
    short = client.post("/api/auth/password", json=body | {"new_password": "x" * 11}, headers=headers)
    assert (wrong.status_code, short.status_code) == (401, 422)
    response = client.post("/api/auth/password", json=body, headers=headers)
    assert response.status_code == 200
    wait_for_refusal(client, token)
    assert with_token(client, response.json()["access_token"]) == 200
    assert login(anonymous, member["email"]).status_code == 401
    assert login(anonymous, member["email"], "another long password").status_code == 200
    event = acme.client.get("/api/audit", params={"actor": member["email"]}).json()["items"][0]
    assert (event["action"], event["actor_type"]) == ("member.password_changed", "member")


def test_a_key_has_no_password(acme: Tenant, anonymous: Anonymous):
    body = {"current_password": PASSWORD, "new_password": "another long password"}
    headers = {"Authorization": f"Bearer {acme.api_key}"}
    response = anonymous().post("/api/auth/password", json=body, headers=headers)
    assert (response.status_code, response.json()["code"]) == (403, "insufficient_scope")


def test_an_address_is_in_a_tenant_once(acme: Tenant):
    member = add(acme)
    refused = acme.client.post("/api/members", json={"email": member["email"].upper(), "role": "viewer"})
    assert (refused.status_code, refused.json()["code"]) == (409, "email_taken")


def invite(tenant: Tenant, email: str, role: str = "viewer") -> str:
    """Add a person who is known already; return the code of the invitation."""
    made = tenant.client.post(
        "/api/members", json={"email": email, "role": role, "password": "a password of the tenant"}
    )
    assert made.status_code == 201, made.text
    answer = made.json()
    assert (answer["initial_password"], answer["accepted_at"]) == (None, None)
    return str(answer["invitation"])


def own_password(anonymous: Anonymous, email: str) -> str:
    """Let a person choose a password of its own; return it."""
    token = login(anonymous, email).json()["access_token"]
    body = {"current_password": PASSWORD, "new_password": "a password of my own"}
    changed = anonymous().post("/api/auth/password", json=body, headers={"Authorization": f"Bearer {token}"})
    assert changed.status_code == 200, changed.text
    return body["new_password"]


def join(anonymous: Anonymous, email: str, password: str, **more: str) -> httpx.Response:
    """Log in with a tenant, and with the code of an invitation."""
    return anonymous().post("/api/auth/login", json={"email": email, "password": password, **more})


def test_a_person_joins_another_tenant_with_its_code_and_its_own_password(
    acme: Tenant, globex: Tenant, anonymous: Anonymous
):
    email = add(acme)["email"]
    code = invite(globex, email, "developer")
    # The password stays that of the person: the tenant that invites sets none.
    assert login(anonymous, email, "a password of the tenant").status_code == 401
    early = join(anonymous, email, PASSWORD, tenant="globex", invitation=code)
    # The first tenant knows this password, so it does not open the second one.
    assert (early.status_code, early.json()["code"]) == (422, "invalid_request")
    mine = own_password(anonymous, email)
    for refused, status in (
        (join(anonymous, email, mine, tenant="globex"), 409),
        (join(anonymous, email, mine, tenant="globex", invitation="x" * 43), 401),
        (join(anonymous, email, mine, invitation=code), 422),
        (join(anonymous, email, mine, tenant="side"), 401),
    ):
        assert refused.status_code == status, refused.text
    joined = join(anonymous, email, mine, tenant="globex", invitation=code)
    assert "tasks:write" in joined.json()["scope"]
    asked = join(anonymous, email, mine)
    assert (asked.status_code, asked.json()["code"], asked.json()["tenants"]) == (
        409,
        "tenant_needed",
        ["acme", "globex"],
    )
    chosen = join(anonymous, email, mine, tenant="acme")
    assert "tasks:write" not in chosen.json()["scope"]
    tenants = {with_token(anonymous(), token.json()["access_token"], "/api/tasks") for token in (joined, chosen)}
    assert tenants == {200}


def test_a_new_password_ends_the_tokens_of_every_tenant(acme: Tenant, globex: Tenant, anonymous: Anonymous):
    email = add(acme)["email"]
    code, mine = invite(globex, email), own_password(anonymous, email)
    token = join(anonymous, email, mine, tenant="globex", invitation=code).json()["access_token"]
    assert with_token(anonymous(), token) == 200
    here = join(anonymous, email, mine, tenant="acme").json()["access_token"]
    body = {"current_password": mine, "new_password": "yet another password"}
    headers = {"Authorization": f"Bearer {here}"}
    assert anonymous().post("/api/auth/password", json=body, headers=headers).status_code == 200
    wait_for_refusal(anonymous(), token)


async def test_of_a_person_who_leaves_the_last_tenant_nothing_stays(
    acme: Tenant, globex: Tenant, anonymous: Anonymous, owner: asyncpg.Connection
):
    member = add(acme)
    invite(globex, member["email"])
    path = f"/api/members/{member['member_id']}"
    assert acme.client.delete(path).status_code == 204
    known = "SELECT count(*) FROM person WHERE email = $1"
    assert await owner.fetchval(known, member["email"]) == 1
    await owner.execute("DELETE FROM member WHERE email = $1", member["email"])
    assert await owner.fetchval(known, member["email"]) == 0
    assert login(anonymous, member["email"]).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {"email": "x"}, {"email": "a b@c.d"}, {"email": "a@b@c"}, {"email": "a@-b"}, {"email": "é@b.c"},
        {"email": "a@" + "b" * 250}, {"role": "admin"}, {"role": None}, {"password": "short"}, {"password": "x" * 257},
        {"tenant_id": "x"},
    ],
)  # fmt: skip
def test_what_is_no_member_is_a_422(acme: Tenant, body: dict[str, object]):
    response = acme.client.post("/api/members", json={"email": _email(), "role": "viewer"} | body)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


def test_a_change_of_role_holds_for_tokens_that_live(acme: Tenant, anonymous: Anonymous):
    member, client = add(acme, "developer"), anonymous()
    token = login(anonymous, member["email"]).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert client.post("/api/tasks/submit", json={"task": "echo"}, headers=headers).status_code == 202
    changed = acme.client.patch(f"/api/members/{member['member_id']}", json={"role": "viewer"})
    assert (changed.status_code, changed.json()["role"]) == (200, "viewer")
    wait_until(
        lambda: client.post("/api/tasks/submit", json={"task": "echo"}, headers=headers).status_code == 403, "403", 3
    )


def test_who_was_barred_has_no_token_even_after_a_return(acme: Tenant, anonymous: Anonymous):
    member, client = add(acme), anonymous()
    path = f"/api/members/{member['member_id']}"
    token = login(anonymous, member["email"]).json()["access_token"]
    assert with_token(client, token) == 200
    assert acme.client.patch(path, json={"disabled": True}).json()["disabled_at"]
    wait_for_refusal(client, token)
    assert acme.client.patch(path, json={"disabled": False}).json()["disabled_at"] is None
    fresh = login(anonymous, member["email"]).json()["access_token"]
    wait_until(lambda: with_token(client, fresh) == 200, "the return", 3)
    assert with_token(client, token) == 401
    assert acme.client.delete(path).status_code == 204
    wait_for_refusal(client, fresh)
    assert acme.client.delete(path).status_code == 404


async def test_the_last_owner_stays(side: Tenant, owner: asyncpg.Connection):
    await _remove_all(owner, side)
    tenant = side
    first, second = add(tenant, "owner"), add(tenant, "owner")
    paths = [f"/api/members/{member['member_id']}" for member in (first, second)]
    assert tenant.client.patch(paths[1], json={"disabled": True}).status_code == 200
    for refused in (
        tenant.client.delete(paths[0]),
        tenant.client.patch(paths[0], json={"role": "viewer"}),
        tenant.client.patch(paths[0], json={"disabled": True}),
    ):
        assert (refused.status_code, refused.json()["code"]) == (409, "last_owner")
    assert tenant.client.patch(paths[1], json={"disabled": False}).status_code == 200
    assert tenant.client.delete(paths[0]).status_code == 204


async def test_of_two_owners_who_are_removed_at_once_one_stays(side: Tenant, owner: asyncpg.Connection):
    await _remove_all(owner, side)
    paths = [f"/api/members/{add(side, 'owner')['member_id']}" for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        assert sorted(answer.status_code for answer in pool.map(side.client.delete, paths)) == [204, 409]


async def _remove_all(owner: asyncpg.Connection, tenant: Tenant) -> None:
    await owner.execute("DELETE FROM member WHERE tenant_id = $1", uuid.UUID(tenant.tenant_id))


def test_nobody_makes_changes_or_removes_who_may_do_more(acme: Tenant, anonymous: Anonymous):
    key, client = issue(acme, scopes=["keys:manage", "tasks:read", "usage:read", "webhooks:read"]), anonymous()
    client.headers["Authorization"] = f"Bearer {key['api_key']}"
    viewer, developer = add(acme), add(acme, "developer")
    assert client.post("/api/members", json={"email": _email(), "role": "viewer"}).status_code == 201
    path = f"/api/members/{developer['member_id']}"
    for refused in (
        client.post("/api/members", json={"email": _email(), "role": "owner"}),
        client.patch(f"/api/members/{viewer['member_id']}", json={"role": "developer"}),
        client.patch(path, json={"role": "viewer"}),
        client.delete(path),
    ):
        assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")


def test_another_tenants_member_is_an_unknown_member(acme: Tenant, globex: Tenant):
    member_id = add(acme)["member_id"]
    others = (member_id, member_id.upper(), str(uuid.uuid4()), f"{{{member_id}}}", f"urn:uuid:{member_id}", "x", "%00")
    for unknown in others:
        assert globex.client.delete(f"/api/members/{unknown}").status_code == 404
        assert globex.client.patch(f"/api/members/{unknown}", json={"role": "owner"}).status_code == 404
    assert member_id not in globex.client.get("/api/members", params={"limit": 100}).text


def test_a_members_id_may_be_written_in_capitals_and_is_answered_as_we_write_it(acme: Tenant):
    member_id = add(acme)["member_id"]
    changed = acme.client.patch(f"/api/members/{member_id.upper()}", json={"role": "developer"})
    assert (changed.status_code, changed.json()["member_id"]) == (200, member_id)
    for other in (uuid.UUID(member_id).hex, f"{{{member_id}}}", f"urn:uuid:{member_id}"):
        assert acme.client.delete(f"/api/members/{other}").status_code == 404
    assert acme.client.delete(f"/api/members/{member_id.upper()}").status_code == 204


async def test_a_password_of_older_parameters_is_stored_anew_at_login(
    owner: asyncpg.Connection, acme: Tenant, anonymous: Anonymous
):
    member = add(acme)
    old = PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1).hash(PASSWORD)
    await owner.execute("UPDATE person SET password_hash = $1 WHERE email = $2", old, member["email"])
    assert login(anonymous, member["email"]).status_code == 200
    stored = await owner.fetchval("SELECT password_hash FROM person WHERE email = $1", member["email"])
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert login(anonymous, member["email"]).status_code == 200


@pytest.mark.parametrize(("body", "status"), [({}, 409), ({"role": "owner", "email": "new@example.com"}, 403)])
def test_a_member_who_is_refused_costs_no_password(acme: Tenant, body: dict[str, str], status: int):
    known = add(acme)
    assert acme.client.patch(f"/api/members/{known['member_id']}", json={"disabled": True}).status_code == 200
    manager = issue(
        acme, scopes=["keys:manage"] + ([] if status == 403 else ["tasks:read", "usage:read", "webhooks:read"])
    )
    sent = {"email": known["email"], "role": "viewer", "password": PASSWORD} | body

    def ask(_: int) -> int:
        headers = {"Authorization": f"Bearer {manager['api_key']}"}
        return httpx.post(acme.client.base_url.join("/api/members"), json=sent, headers=headers, timeout=30).status_code

    # Two passwords of a tenant may wait: were they hashed, most of these would be told to come again.
    with ThreadPoolExecutor(20) as threads:
        assert set(threads.map(ask, range(40))) == {status}
