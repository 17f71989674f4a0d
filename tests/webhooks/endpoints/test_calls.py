"""The calls about endpoints and secrets, over HTTP."""

import asyncio
import base64
import json
import uuid
from typing import Any

import asyncpg
import httpx
import pytest

from tests.conftest import Tenant, wait_until
from tests.webhooks.endpoints.conftest import URL, change, create, get

ENDPOINTS = "/api/webhooks/endpoints"
HEADERS = {"Authorization": "Bearer sesame-4711", "X-Shop": "berlin"}


def _with_scopes(tenant: Tenant, *scopes: str) -> httpx.Client:
    made = tenant.client.post("/api/keys", json={"name": "narrow", "scopes": list(scopes)})
    assert made.status_code == 201, made.text
    return httpx.Client(
        base_url=tenant.client.base_url, headers={"Authorization": f"Bearer {made.json()['api_key']}"}, timeout=30
    )


def test_an_endpoint_is_made_shown_changed_and_deleted(tenant: Tenant):
    response = tenant.client.post(
        ENDPOINTS,
        json={
            "url": URL, "event_types": ["task.failed", "task.failed", "endpoint.disabled"], "filter": {"tasks": ["echo"]},
            "description": "The shop", "headers": HEADERS, "rate_per_second": 5,
        },
    )  # fmt: skip
    made = response.json()
    assert response.status_code == 201
    assert response.headers["Location"] == f"{ENDPOINTS}/{made['endpoint_id']}"
    assert response.headers["Cache-Control"] == "no-store"
    assert len(base64.b64decode(made.pop("secret").removeprefix("whsec_"))) == 32
    assert get(tenant, made["endpoint_id"]) == made
    assert {name: made[name] for name in ("url", "event_types", "filter", "description", "header_names", "enabled")} == {
        "url": URL, "event_types": ["task.failed", "endpoint.disabled"], "filter": {"tasks": ["echo"], "tags": None},
        "description": "The shop", "header_names": ["Authorization", "X-Shop"], "enabled": True,
    }  # fmt: skip
    changed = change(tenant, made["endpoint_id"], url=f"{URL}/2", enabled=False)
    assert (changed["url"], changed["enabled"], changed["disabled_by"]) == (f"{URL}/2", False, "tenant")
    assert changed["header_names"] == made["header_names"]
    assert change(tenant, made["endpoint_id"], enabled=True)["disabled_at"] is None
    assert [item["endpoint_id"] for item in tenant.client.get(ENDPOINTS).json()["items"]] == [made["endpoint_id"]]
    path = f"{ENDPOINTS}/{made['endpoint_id']}"
    assert tenant.client.delete(path).status_code == 204
    for method, more in (("GET", {}), ("DELETE", {}), ("PATCH", {"json": {"enabled": True}})):
        assert tenant.client.request(method, path, **more).status_code == 404


def test_null_means_the_default_and_a_missing_member_stays(tenant: Tenant):
    names = ("event_types", "filter", "description", "enabled", "headers", "rate_per_second")
    made = create(tenant, **dict.fromkeys(names))
    defaults = {name: made[name] for name in ("event_types", "filter", "description", "enabled", "header_names")}
    assert defaults == {
        "event_types": ["task.succeeded", "task.failed", "task.revoked"], "filter": None, "description": None,
        "enabled": True, "header_names": [],
    }  # fmt: skip
    full = {
        "event_types": ["task.retrying"], "filter": {"tags": ["a"]}, "description": "d", "enabled": False,
        "headers": HEADERS, "rate_per_second": 1,
    }  # fmt: skip
    changed = change(tenant, made["endpoint_id"], **full)
    assert (changed["event_types"], changed["rate_per_second"]) == (["task.retrying"], 1)
    assert change(tenant, made["endpoint_id"], description="e") == changed | {
        "description": "e", "updated_at": get(tenant, made["endpoint_id"])["updated_at"],
    }  # fmt: skip
    again = change(tenant, made["endpoint_id"], **dict.fromkeys(full))
    assert {name: again[name] for name in defaults} == defaults
    refused = tenant.client.patch(f"{ENDPOINTS}/{made['endpoint_id']}", json={"url": None})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/url")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/url"),
        ({"url": "https://10.0.0.1/"}, "#/url"),
        ({"url": "ftp://hooks.example.com/"}, "#/url"),
        ({"url": "https://user:password@example.com/"}, "#/url"),
        ({"event_types": []}, "#/event_types"),
        ({"event_types": ["task.began"]}, "#/event_types/0"),
        ({"filter": {"tasks": []}}, "#/filter/tasks"),
        ({"filter": {"tags": [""]}}, "#/filter/tags/0"),
        ({"filter": {"task": "echo"}}, "#/filter/task"),
        ({"rate_per_second": 0}, "#/rate_per_second"),
        ({"rate_per_second": "1"}, "#/rate_per_second"),
        ({"description": "a\nb"}, "#/description"),
        ({"headers": {"Host": "x"}}, "#/headers"),
        ({"headers": {"X-A": "a\r\nB: c"}}, "#/headers"),
        ({"headers": {"X-A": 1}}, "#/headers/X-A"),
        ({"enable": True}, "#/enable"),
    ],
)
def test_what_cannot_be_is_refused_and_not_repeated(tenant: Tenant, body: dict[str, Any], pointer: str):
    full = body if "url" in body or not body else {"url": URL} | body
    refused = tenant.client.post(ENDPOINTS, json=full)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, pointer), refused.text
    for told in ("10.0.0.1", "password@", "B: c"):
        assert told not in refused.text
    assert tenant.client.get(ENDPOINTS).json()["items"] == []


def test_a_tenant_has_as_many_endpoints_as_its_plan_allows(tenant: Tenant, admin: Any):
    admin("tenant", "set-limit", tenant.slug, "webhook_endpoints=2").check_returncode()
    try:
        wait_until(lambda: _limit(tenant) == 2, "the limit")
        create(tenant)
        create(tenant)
        refused = tenant.client.post(ENDPOINTS, json={"url": URL})
        assert (refused.status_code, refused.json()["code"]) == (409, "limit_reached")
        assert len(tenant.client.get(ENDPOINTS).json()["items"]) == 2
    finally:
        admin("tenant", "set-limit", tenant.slug, "webhook_endpoints=")
        wait_until(lambda: _limit(tenant) == 500, "the plan's limit")


def _limit(tenant: Tenant) -> int:
    limits = tenant.client.get("/api/limits").json()
    return int(next(item["limit"] for item in limits["items"] if item["name"] == "webhook_endpoints"))


def test_the_list_has_pages(tenant: Tenant):
    made = [create(tenant)["endpoint_id"] for _ in range(3)]
    first = tenant.client.get(ENDPOINTS, params={"limit": 2}).json()
    second = tenant.client.get(ENDPOINTS, params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [item["endpoint_id"] for page in (first, second) for item in page["items"]] == made[::-1]
    assert second["next_cursor"] is None
    foreign = tenant.client.get("/api/operations", params={"cursor": first["next_cursor"]})
    assert (foreign.status_code, foreign.json()["code"]) == (400, "invalid_cursor")


@pytest.mark.parametrize("place", ["endpoint", "tenant"])
def test_a_secret_is_rotated_once_in_the_time_of_its_overlap(tenant: Tenant, place: str):
    show, rotate = _secret_paths(tenant, place)
    before = tenant.client.get(show).json()
    if before["previous_expires_at"]:
        _end_overlap(tenant)
        before = tenant.client.get(show).json()
    assert before["previous_expires_at"] is None
    # Without a body, as with an empty object.
    rotated = tenant.client.post(rotate)
    assert rotated.status_code == 200, rotated.text
    assert rotated.headers["Cache-Control"] == "no-store"
    assert rotated.json()["secret"] != before["secret"]
    assert rotated.json()["previous_expires_at"] is not None
    assert tenant.client.get(show).json() == rotated.json()
    refused = tenant.client.post(rotate, json={"overlap_seconds": 60})
    assert (refused.status_code, refused.json()["code"]) == (409, "illegal_state")
    assert tenant.client.get(show).json() == rotated.json()
    _end_overlap(tenant)
    at_once = tenant.client.post(rotate, json={"overlap_seconds": 0}).json()
    assert at_once["previous_expires_at"] is None
    assert tenant.client.post(rotate, json={"overlap_seconds": 0}).status_code == 200
    for body in (b"null", b"[]", b" "):
        refused = tenant.client.post(rotate, content=body, headers={"Content-Type": "application/json"})
        assert refused.status_code in {400, 422}, body
    for seconds in (-1, 604_801, "1"):
        assert tenant.client.post(rotate, json={"overlap_seconds": seconds}).status_code == 422


def _secret_paths(tenant: Tenant, place: str) -> tuple[str, str]:
    if place == "tenant":
        return "/api/webhooks/secret", "/api/webhooks/secret/rotate"
    path = f"{ENDPOINTS}/{create(tenant)['endpoint_id']}"
    return f"{path}/secret", f"{path}/rotate-secret"


_database: str = ""


@pytest.fixture(autouse=True)
def _remember(environment: dict[str, str]) -> None:
    global _database  # noqa: PLW0603
    _database = environment["DATABASE_URL"]


def _sql(sql: str, *values: Any) -> list[asyncpg.Record]:
    async def run() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(_database)
        try:
            return list(await connection.fetch(sql, *values))
        finally:
            await connection.close()

    return asyncio.run(run())


def _end_overlap(tenant: Tenant) -> None:
    for table in ("webhook_secret", "endpoint_secret"):
        _sql(
            f"UPDATE {table} SET expires_at = now() - interval '1 s' WHERE tenant_id = $1 AND expires_at IS NOT NULL",
            uuid.UUID(tenant.tenant_id),
        )


def test_the_tenants_first_secret_is_the_one_of_its_creation(make_tenant: Any):
    fresh = make_tenant("fresh")
    assert fresh.client.get("/api/webhooks/secret").json()["secret"] == fresh.webhook_secret


def test_who_may_read_sees_no_secret_and_changes_nothing(tenant: Tenant):
    path = f"{ENDPOINTS}/{create(tenant, headers=HEADERS)['endpoint_id']}"
    with _with_scopes(tenant, "webhooks:read") as reader:
        assert reader.get(path).status_code == reader.get(ENDPOINTS).status_code == 200
        for method, url in (
            ("GET", f"{path}/secret"), ("GET", "/api/webhooks/secret"), ("DELETE", path), ("PATCH", path),
            ("POST", ENDPOINTS), ("POST", f"{path}/rotate-secret"), ("POST", f"{path}/test"),
            ("POST", "/api/webhooks/secret/rotate"),
        ):  # fmt: skip
            assert reader.request(method, url).status_code == 403, (method, url)
    with _with_scopes(tenant, "webhooks:manage") as manager:
        assert manager.get(path).status_code == 403
        assert manager.get(f"{path}/secret").status_code == 200


def test_values_of_headers_are_in_no_answer_no_row_and_no_audit(tenant: Tenant):
    endpoint_id = create(tenant, headers=HEADERS)["endpoint_id"]
    change(tenant, endpoint_id, headers=HEADERS | {"X-More": "1"})
    told = [tenant.client.get(f"{ENDPOINTS}/{endpoint_id}").text, tenant.client.get("/api/audit").text]
    told += [str(dict(row)) for row in _sql("SELECT * FROM endpoint WHERE id = $1", uuid.UUID(endpoint_id))]
    told += [str(dict(row)) for row in _sql("SELECT * FROM audit_event")]
    assert not [text for text in told if "sesame" in text or "berlin" in text]
    assert get(tenant, endpoint_id)["header_names"] == ["Authorization", "X-More", "X-Shop"]


def test_each_change_is_audited(tenant: Tenant):
    endpoint_id = create(tenant)["endpoint_id"]
    change(tenant, endpoint_id, description="x")
    tenant.client.post(f"{ENDPOINTS}/{endpoint_id}/rotate-secret", json={"overlap_seconds": 0})
    tenant.client.delete(f"{ENDPOINTS}/{endpoint_id}")
    found = _sql("SELECT action FROM audit_event WHERE object = $1 ORDER BY id", endpoint_id)
    assert [row["action"] for row in found] == [
        "endpoint.created", "endpoint.changed", "endpoint.secret_rotated", "endpoint.deleted",
    ]  # fmt: skip


def test_what_the_operator_has_disabled_the_tenant_cannot_enable(tenant: Tenant):
    endpoint_id = create(tenant)["endpoint_id"]
    _sql(
        "UPDATE endpoint SET enabled = false, disabled_at = now(), disabled_by = 'operator' WHERE id = $1",
        uuid.UUID(endpoint_id),
    )
    refused = tenant.client.patch(f"{ENDPOINTS}/{endpoint_id}", json={"enabled": True})
    assert (refused.status_code, refused.json()["code"]) == (409, "illegal_state")
    assert change(tenant, endpoint_id, enabled=False)["disabled_by"] == "operator"


def test_the_operator_lists_disables_and_enables_endpoints(tenant: Tenant, admin: Any):
    endpoint_id = create(tenant)["endpoint_id"]
    done = admin("webhook", "disable", tenant.slug, endpoint_id, "--json")
    assert json.loads(done.stdout)["disabled_by"] == "operator", done.stderr
    assert get(tenant, endpoint_id)["disabled_by"] == "operator"
    refused = tenant.client.patch(f"{ENDPOINTS}/{endpoint_id}", json={"enabled": True})
    assert (refused.status_code, refused.json()["code"]) == (409, "illegal_state")
    [told] = _sql("SELECT data FROM event WHERE subject = $1", uuid.UUID(endpoint_id))
    assert json.loads(told["data"])["disabled_by"] == "operator"
    for slug in ((), ("--tenant", tenant.slug)):
        listed = json.loads(admin("webhook", "list", *slug, "--json").stdout)["items"]
        assert [row["enabled"] for row in listed if row["endpoint_id"] == endpoint_id] == [False]
    assert json.loads(admin("webhook", "enable", tenant.slug, endpoint_id, "--json").stdout)["enabled"] is True
    assert get(tenant, endpoint_id)["enabled"]
    found = _sql("SELECT actor_type, action FROM audit_event WHERE object = $1 ORDER BY id", endpoint_id)
    assert [tuple(row) for row in found][1:] == [("operator", "endpoint.disabled"), ("operator", "endpoint.enabled")]
    assert admin("webhook", "disable", tenant.slug, str(uuid.uuid4())).returncode == 3
    assert admin("webhook", "disable", "nobody", endpoint_id).returncode == 3


def test_the_slots_say_whether_there_are_endpoints(tenant: Tenant):
    def has_endpoints() -> bool:
        [row] = _sql("SELECT features FROM tenant_slots WHERE tenant_id = $1", uuid.UUID(tenant.tenant_id))
        return bool(row["features"] & 2)

    assert not has_endpoints()
    first, second = (create(tenant)["endpoint_id"] for _ in range(2))
    assert has_endpoints()
    tenant.client.delete(f"{ENDPOINTS}/{first}")
    assert has_endpoints()
    tenant.client.delete(f"{ENDPOINTS}/{second}")
    assert not has_endpoints()
