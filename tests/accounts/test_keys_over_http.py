"""Keys that a tenant manages itself."""

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import asyncpg
import httpx
import pytest

from scripts.stack import ports
from tests.accounts.conftest import Anonymous, issue, token_of, wait_for_refusal, with_token
from tests.conftest import Stack, Tenant, wait_until


def test_an_issued_key_is_shown_once_and_works(acme: Tenant, anonymous: Anonymous):
    response = acme.client.post("/api/keys", json={"name": "ci", "scopes": ["tasks:read"], "expires_days": 3})
    made = response.json()
    assert (response.status_code, response.headers["Cache-Control"]) == (201, "no-store")
    assert (made["name"], made["scopes"], made["api_key"][8:20]) == ("ci", ["tasks:read"], made["key_id"])
    assert with_token(anonymous(), made["api_key"]) == 200
    listed = acme.client.get("/api/keys", params={"limit": 100})
    assert made["key_id"] in listed.text
    assert made["api_key"] not in listed.text


def test_a_wait_ends_when_its_key_is_revoked(acme: Tenant, anonymous: Anonymous):
    key, client = issue(acme, scopes=["tasks:read"]), anonymous()
    task_id = acme.submit(task="echo", delay_seconds=3600)

    def wait() -> int:
        headers = {"Authorization": f"Bearer {key['api_key']}"}
        return client.get(f"/api/tasks/{task_id}/result", params={"wait": 30}, headers=headers).status_code

    with ThreadPoolExecutor(1) as pool:
        # Whether it was revoked before the wait began or in it: either way it is refused, long before the 30 s.
        waiting = pool.submit(wait)
        assert acme.client.delete(f"/api/keys/{key['key_id']}").status_code == 204
        assert waiting.result(20) == 401


def test_a_key_gets_the_callers_scopes_and_never_more(acme: Tenant, anonymous: Anonymous):
    narrow = issue(acme, scopes=["keys:manage", "tasks:read"])
    client = anonymous()
    headers = {"Authorization": f"Bearer {narrow['api_key']}"}
    same = client.post("/api/keys", json={"name": "same"}, headers=headers).json()
    assert same["scopes"] == ["keys:manage", "tasks:read"]
    more = client.post("/api/keys", json={"name": "more", "scopes": ["tasks:write"]}, headers=headers)
    assert (more.status_code, more.json()["code"]) == (403, "insufficient_scope")
    # A rotation shows a key, so it is as good as an issue.
    rotated = client.post(f"/api/keys/{acme.api_key[8:20]}/rotate", headers=headers)
    assert (rotated.status_code, rotated.json()["code"]) == (403, "insufficient_scope")


@pytest.mark.parametrize("path", ["/api/keys", "/api/members", "/api/audit"])
def test_without_keys_manage_nothing_of_accounts_is_shown(acme: Tenant, anonymous: Anonymous, path: str):
    key = issue(acme, scopes=["tasks:read", "tasks:write", "usage:read", "webhooks:manage"])
    assert with_token(anonymous(), key["api_key"], path) == 403


@pytest.mark.parametrize(
    "body",
    [
        {}, {"name": ""}, {"name": "  "}, {"name": "x" * 201}, {"name": "a\u202eb"}, {"name": 1},
        {"name": "x", "scopes": []}, {"name": "x", "scopes": ["all"]}, {"name": "x", "scopes": "tasks:read"},
        {"name": "x", "expires_days": 0}, {"name": "x", "expires_days": 3_651}, {"name": "x", "expires_days": True},
        {"name": "x", "tenant_id": "y"},
    ],
)  # fmt: skip
def test_what_is_no_key_is_a_422(acme: Tenant, body: dict[str, object]):
    response = acme.client.post("/api/keys", json=body)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("overlap", [-1, 604_801, "5", 1.5, True])
def test_what_is_no_overlap_is_a_422(acme: Tenant, overlap: object):
    response = acme.client.post(f"/api/keys/{acme.api_key[8:20]}/rotate", json={"overlap_seconds": overlap})
    assert response.status_code == 422


def test_a_rotated_key_holds_for_its_overlap_and_its_successor_lives_as_long(acme: Tenant, anonymous: Anonymous):
    client, old = anonymous(), issue(acme, name="deploy", scopes=["tasks:read"], expires_days=3)
    token = token_of(client, old["api_key"])
    response = acme.client.post(f"/api/keys/{old['key_id']}/rotate", json={"overlap_seconds": 2})
    new = response.json()
    assert (response.status_code, response.headers["Cache-Control"]) == (201, "no-store")
    assert (new["name"], new["scopes"]) == ("deploy", ["tasks:read"])
    life = datetime.fromisoformat(new["expires_at"]) - datetime.fromisoformat(new["created_at"])
    assert abs(life - timedelta(days=3)) < timedelta(seconds=1)
    assert {with_token(client, key) for key in (old["api_key"], new["api_key"], token)} == {200}
    wait_for_refusal(client, old["api_key"], 6)
    # What was made from the key ends with it.
    wait_for_refusal(client, token)
    assert with_token(client, new["api_key"]) == 200
    entry = next(key for key in acme.client.get("/api/keys").json()["items"] if key["key_id"] == old["key_id"])
    assert entry["replaced_by"] == new["key_id"]


def test_a_key_is_in_one_rotation_at_a_time(acme: Tenant):
    old = issue(acme)
    new = acme.client.post(f"/api/keys/{old['key_id']}/rotate").json()
    for key_id in (old["key_id"], new["key_id"]):
        again = acme.client.post(f"/api/keys/{key_id}/rotate", json={"overlap_seconds": 0})
        assert (again.status_code, again.json()["code"]) == (409, "illegal_state")
    assert acme.client.delete(f"/api/keys/{old['key_id']}").status_code == 204
    assert acme.client.post(f"/api/keys/{new['key_id']}/rotate").status_code == 201
    gone = acme.client.post(f"/api/keys/{old['key_id']}/rotate")
    assert (gone.status_code, gone.json()["code"]) == (404, "not_found")


def test_of_rotations_at_once_one_is_done(acme: Tenant):
    path = f"/api/keys/{issue(acme)['key_id']}/rotate"
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: acme.client.post(path).status_code, range(4)))
    assert sorted(answers) == [201, 409, 409, 409]


async def test_a_key_and_its_successor_count_as_one(side: Tenant, owner: asyncpg.Connection):
    await owner.execute("UPDATE tenant SET limits = '{\"api_keys\": 2}' WHERE slug = 'side'")
    second = issue(side)
    refused = side.client.post("/api/keys", json={"name": "third"})
    assert (refused.status_code, refused.json()["code"]) == (409, "limit_reached")
    assert side.client.post(f"/api/keys/{second['key_id']}/rotate").status_code == 201
    assert side.client.post("/api/keys", json={"name": "third"}).status_code == 409
    await owner.execute("UPDATE tenant SET limits = '{}' WHERE slug = 'side'")


def test_another_tenants_key_is_an_unknown_key(acme: Tenant, globex: Tenant):
    for call in ("DELETE {}", "POST {}/rotate"):
        method, _, path = call.partition(" ")
        answers = [
            globex.client.request(method, "/api/keys/" + path.format(key_id))
            for key_id in (acme.api_key[8:20], "aaaaaaaaaaaa", "%00", "x'%20OR%201=1")
        ]
        assert {answer.status_code for answer in answers} == {404}
        assert len({json.dumps({**a.json(), "request_id": ""}) for a in answers}) == 1
    assert acme.client.get("/api/tasks").status_code == 200


def test_keys_come_in_pages_that_belong_to_the_tenant_and_the_list(acme: Tenant, globex: Tenant):
    made = [issue(acme)["key_id"] for _ in range(3)]
    first = acme.client.get("/api/keys", params={"limit": 2})
    cursor = first.json()["next_cursor"]
    assert 'rel="next"' in first.headers["Link"]
    rest = acme.client.get("/api/keys", params={"limit": 2, "cursor": cursor}).json()
    assert [key["key_id"] for key in first.json()["items"] + rest["items"]][:3] == made[::-1]
    for client, path in ((globex.client, "/api/keys"), (acme.client, "/api/members"), (acme.client, "/api/audit")):
        refused = client.get(path, params={"cursor": cursor})
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_cursor")


def test_a_revocation_holds_within_2_seconds_on_a_process_that_has_no_redis(
    stack: Stack, acme: Tenant, anonymous: Anonymous
):
    port = ports.free_port()
    stack.start(
        "api-alone", "uvicorn", "app.main:app", "--port", str(port), "--no-access-log", REDIS_URL="redis://127.0.0.1:1"
    )
    client, key = anonymous(), issue(acme, scopes=["tasks:read"])
    client.base_url = f"http://127.0.0.1:{port}"
    kept = token_of(acme.client, key["api_key"])
    revoked = token_of(acme.client, key["api_key"])

    def answers() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return with_token(client, kept) == 200
        return False

    try:
        wait_until(answers, "the second process")
        assert {with_token(client, one) for one in (key["api_key"], kept, revoked)} == {200}
        assert acme.client.post("/api/auth/revoke", data={"token": revoked}).status_code == 200
        wait_for_refusal(client, revoked)
        assert {with_token(client, one) for one in (key["api_key"], kept)} == {200}
        assert acme.client.delete(f"/api/keys/{key['key_id']}").status_code == 204
        wait_for_refusal(client, key["api_key"])
        wait_for_refusal(client, kept)
    finally:
        stack.stop("api-alone")
