"""The calls about schedules, over HTTP, and the fires of a real dispatcher."""

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.conftest import Tenant, wait_until

SCHEDULES = "/api/schedules"
DAILY = {"cron": "0 3 * * *", "timezone": "Europe/Berlin", "task": "echo", "payload": {"a": 1}}


@pytest.fixture(scope="session")
def planner(make_tenant: Callable[..., Tenant]) -> Tenant:
    """A tenant with schedules, which the tests here share."""
    return make_tenant("planner")


@pytest.fixture
def tenant(planner: Tenant) -> Tenant:
    """The tenant, without schedules of earlier tests."""
    while page := planner.client.get(SCHEDULES, params={"limit": 100}).json()["items"]:
        for item in page:
            planner.client.delete(f"{SCHEDULES}/{item['schedule_id']}")
    return planner


def _create(tenant: Tenant, name: str = "nightly", **body: Any) -> dict[str, Any]:
    response = tenant.client.post(SCHEDULES, json={"name": name} | DAILY | body)
    assert response.status_code == 201, response.text
    return dict(response.json())


def _get(tenant: Tenant, schedule_id: str) -> dict[str, Any]:
    response = tenant.client.get(f"{SCHEDULES}/{schedule_id}")
    assert response.status_code == 200, response.text
    return dict(response.json())


def _with_scopes(tenant: Tenant, *scopes: str) -> httpx.Client:
    made = tenant.client.post("/api/keys", json={"name": "narrow", "scopes": list(scopes)})
    assert made.status_code == 201, made.text
    headers = {"Authorization": f"Bearer {made.json()['api_key']}"}
    return httpx.Client(base_url=tenant.client.base_url, headers=headers, timeout=30)


def test_a_schedule_is_made_shown_listed_and_deleted(tenant: Tenant):
    response = tenant.client.post(
        SCHEDULES, json={"name": "nightly", **DAILY, "priority": 9, "tags": ["night"], "metadata": {"a": "b"}}
    )
    made = response.json()
    assert response.status_code == 201
    assert response.headers["Location"] == f"{SCHEDULES}/{made['schedule_id']}"
    shown = _get(tenant, made["schedule_id"])
    assert {name: shown[name] for name in made} == made
    expected = {
        "description": "At 03:00 every day (Europe/Berlin)", "cron": "0 3 * * *", "every_seconds": None, "priority": 9,
        "overlap": "allow", "catch_up": "none", "catch_up_seconds": 3600, "window_seconds": 0, "paused": False, "fires": 0,
        "tags": ["night"], "metadata": {"a": "b"}, "payload": {"a": 1}, "last_fires": [], "last_task_id": None,
    }  # fmt: skip
    assert {name: shown[name] for name in expected} == expected
    assert len(shown["next_fires"]) == 5
    assert shown["next_fires"][0] == made["next_fire_at"]
    assert sorted(shown["next_fires"]) == shown["next_fires"]
    [listed] = tenant.client.get(SCHEDULES).json()["items"]
    assert listed == made
    path = f"{SCHEDULES}/{made['schedule_id']}"
    assert tenant.client.delete(path).status_code == 204
    for method, more in (("GET", ""), ("DELETE", ""), ("POST", "/pause"), ("POST", "/resume"), ("POST", "/trigger")):
        assert tenant.client.request(method, path + more).status_code == 404


def test_null_means_the_default(tenant: Tenant):
    nulls = dict.fromkeys(
        ("every_seconds", "starts_at", "ends_at", "priority", "tags", "metadata", "window_seconds", "overlap", "catch_up",
         "catch_up_seconds", "max_fires", "paused", "pause_after_failures", "webhook_url")
    )  # fmt: skip
    made = _create(tenant, **nulls, timezone=None)
    assert (made["timezone"], made["priority"], made["overlap"], made["tags"]) == ("UTC", 4, "allow", [])


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"cron": None}, "#"),
        ({"every_seconds": 60}, "#"),
        ({"cron": "61 * * * *"}, "#/cron"),
        ({"cron": "* * * * * *"}, "#/cron"),
        ({"cron": None, "every_seconds": 9}, "#/every_seconds"),
        ({"timezone": "Europe/Atlantis"}, "#/timezone"),
        ({"timezone": "../etc/passwd"}, "#/timezone"),
        ({"timezone": ""}, "#/timezone"),
        ({"timezone": "localtime"}, "#/timezone"),
        ({"timezone": "right/Europe/Berlin"}, "#/timezone"),
        ({"starts_at": "0001-01-01T00:00:00Z"}, "#/starts_at"),
        ({"ends_at": "9999-12-31T23:59:59-14:00"}, "#/ends_at"),
        ({"starts_at": "2027-01-02T00:00:00Z", "ends_at": "2027-01-01T00:00:00Z"}, "#"),
        ({"task": "no_such_task"}, "#/task"),
        ({"task": "long_task", "payload": {"seconds": "x"}}, "#/payload/seconds"),
        ({"name": "with space"}, "#/name"),
        ({"name": ""}, "#/name"),
        ({"overlap": "sometimes"}, "#/overlap"),
        ({"delay_seconds": 5}, "#/delay_seconds"),
        ({"webhook_url": "ftp://example.com/"}, "#/webhook_url"),
        ({"max_fires": 0}, "#/max_fires"),
    ],
    ids=lambda value: None if isinstance(value, str) else ",".join(f"{name}={part}" for name, part in value.items()),
)
def test_an_invalid_schedule_is_refused_at_its_place(tenant: Tenant, body: dict[str, Any], pointer: str):
    response = tenant.client.post(SCHEDULES, json={"name": "nightly"} | DAILY | body)
    assert response.status_code == 422, response.text
    assert pointer in [fault["pointer"] for fault in response.json()["errors"]]
    assert tenant.client.get(SCHEDULES).json()["items"] == []


def test_a_schedule_that_never_fires_is_refused(tenant: Tenant):
    response = tenant.client.post(SCHEDULES, json={"name": "old", **DAILY, "ends_at": "2020-01-01T00:00:00Z"})
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


def test_a_schedule_may_last_as_long_as_there_are_times(tenant: Tenant):
    made = _create(tenant, starts_at="0001-01-02T00:00:00Z", ends_at="9999-12-31T23:59:59Z", cron="@weekly")
    assert len(_get(tenant, made["schedule_id"])["next_fires"]) == 5
    every = _create(tenant, "every", cron=None, every_seconds=10, starts_at="0001-01-02T00:00:00Z")
    assert len(_get(tenant, every["schedule_id"])["next_fires"]) == 5


def test_a_name_is_taken_once(tenant: Tenant, globex: Tenant):
    _create(tenant)
    taken = tenant.client.post(SCHEDULES, json={"name": "nightly"} | DAILY)
    assert (taken.status_code, taken.json()["code"]) == (409, "illegal_state")
    # Another tenant has names of its own.
    other = globex.client.post(SCHEDULES, json={"name": "nightly"} | DAILY)
    assert other.status_code == 201
    assert globex.client.delete(f"{SCHEDULES}/{other.json()['schedule_id']}").status_code == 204


def test_a_schedule_is_made_and_changed_by_its_name(tenant: Tenant):
    path = f"{SCHEDULES}/by-name/report"
    first = tenant.client.put(path, json=DAILY)
    assert first.status_code == 201
    again = tenant.client.put(path, json=DAILY)
    assert (again.status_code, again.json()) == (200, first.json())
    changed = tenant.client.put(path, json=DAILY | {"cron": "0 4 * * *"}).json()
    assert changed["schedule_id"] == first.json()["schedule_id"]
    assert changed["next_fire_at"] != first.json()["next_fire_at"]
    # A change of the payload alone does not move the next fire.
    other = tenant.client.put(path, json=DAILY | {"cron": "0 4 * * *", "payload": [1.5]}).json()
    assert other["next_fire_at"] == changed["next_fire_at"]
    assert _get(tenant, other["schedule_id"])["payload"] == [1.5]
    paused = tenant.client.put(path, json=DAILY | {"paused": True}).json()
    assert (paused["paused"], paused["next_fire_at"]) == (True, None)
    # A deployment that puts it again does not undo a pause.
    assert tenant.client.put(path, json=DAILY).json()["paused"] is True
    assert tenant.client.put(path, json=DAILY | {"paused": False}).json()["paused"] is False
    actions = [item["action"] for item in tenant.client.get("/api/audit", params={"limit": 5}).json()["items"]]
    changed_twice = ["schedule.changed", "schedule.changed"]
    assert actions == ["schedule.resumed", "schedule.paused", "schedule.changed", *changed_twice]


def test_an_end_that_is_past_already_is_refused(tenant: Tenant):
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    url, body = f"{SCHEDULES}/by-name/few", {"task": "echo", "every_seconds": 10, "starts_at": soon, "max_fires": 50}
    made = tenant.client.put(url, json=body).json()
    wait_until(lambda: _get(tenant, made["schedule_id"])["fires"] == 1, "the fire")
    response = tenant.client.put(url, json=body | {"max_fires": 1})
    assert response.status_code == 422
    assert "max_fires" in response.json()["detail"]
    assert len(_get(tenant, made["schedule_id"])["next_fires"]) == 5


def test_a_schedule_is_paused_with_a_note_and_resumed(tenant: Tenant):
    made = _create(tenant)
    path = f"{SCHEDULES}/{made['schedule_id']}"
    paused = tenant.client.post(f"{path}/pause", json={"note": "while we move"}).json()
    assert (paused["paused"], paused["pause_note"], paused["next_fire_at"]) == (True, "while we move", None)
    assert paused["paused_by"]
    assert _get(tenant, made["schedule_id"])["next_fires"] == []
    resumed = tenant.client.post(f"{path}/resume").json()
    assert (resumed["paused"], resumed["pause_note"], resumed["next_fire_at"]) == (False, None, made["next_fire_at"])
    assert tenant.client.post(f"{path}/resume").json() == resumed
    assert tenant.client.post(f"{path}/pause", json={"note": 5}).status_code == 422


def test_a_trigger_submits_a_task_also_while_the_schedule_is_paused(tenant: Tenant):
    made = _create(tenant, payload={"n": 7}, paused=True)
    path = f"{SCHEDULES}/{made['schedule_id']}"
    response = tenant.client.post(f"{path}/trigger")
    assert response.status_code == 202
    task_id = response.json()["task_id"]
    assert response.headers["Location"] == f"/api/tasks/{task_id}"
    result = tenant.client.get(f"/api/tasks/{task_id}/result", params={"wait": 20}).json()
    assert (result["status"], result["result"]) == ("SUCCESS", {"n": 7})
    shown = _get(tenant, made["schedule_id"])
    [fire] = shown["last_fires"]
    assert (fire["outcome"], fire["reason"], fire["task_id"]) == ("fired", "trigger", task_id)
    assert (shown["last_task_id"], shown["fires"]) == (task_id, 0)


def test_a_trigger_without_room_is_refused_like_a_submit(make_tenant: Callable[..., Tenant], admin: Any):
    full = make_tenant(f"full-{uuid.uuid4().hex[:8]}")
    made = _create(full)
    admin("tenant", "set-limit", full.slug, "tasks_per_day=0")
    path = f"{SCHEDULES}/{made['schedule_id']}/trigger"
    wait_until(lambda: full.client.post(path).status_code == 429, "the limit of the day")
    refused = full.client.post(path)
    assert refused.json()["code"] == "daily_quota"
    assert int(refused.headers["Retry-After"]) > 0
    assert all(fire["outcome"] == "fired" for fire in _get(full, made["schedule_id"])["last_fires"])


def test_more_schedules_than_the_limit_are_refused(make_tenant: Callable[..., Tenant], admin: Any):
    small = make_tenant(f"small-{uuid.uuid4().hex[:8]}")
    admin("tenant", "set-limit", small.slug, "schedules=1")

    def limit() -> int:
        [limit] = [item for item in small.client.get("/api/limits").json()["items"] if item["name"] == "schedules"]
        return int(limit["limit"])

    wait_until(lambda: limit() == 1, "the new limit")
    assert small.client.put(f"{SCHEDULES}/by-name/a", json=DAILY).status_code == 201
    refused = small.client.put(f"{SCHEDULES}/by-name/b", json=DAILY)
    assert (refused.status_code, refused.json()["code"]) == (409, "limit_reached")
    # One that exists may be changed.
    assert small.client.put(f"{SCHEDULES}/by-name/a", json=DAILY | {"payload": 2}).status_code == 200


def test_a_backfill_makes_up_what_a_dry_run_has_shown(tenant: Tenant):
    made = _create(tenant, cron="0 * * * *", paused=True)
    path = f"{SCHEDULES}/{made['schedule_id']}"
    times = {"from": "2025-05-04T10:30:00Z", "to": "2025-05-04T12:00:00Z"}
    shown = tenant.client.post(f"{path}/backfill", json=times | {"dry_run": True})
    expected = {"count": 2, "fires": ["2025-05-04T11:00:00Z", "2025-05-04T12:00:00Z"]}
    assert (shown.status_code, shown.json()) == (200, {"operation_id": None} | expected)
    started = tenant.client.post(f"{path}/backfill", json=times)
    assert started.status_code == 202, started.text
    operation = started.headers["Location"]
    assert operation == f"/api/operations/{started.json()['operation_id']}"
    assert started.json()["fires"] == expected["fires"]
    wait_until(lambda: tenant.client.get(operation).json()["status"] == "SUCCEEDED", "the backfill")
    assert tenant.client.get(operation).json()["done"] == 2
    fires = _get(tenant, made["schedule_id"])["last_fires"]
    assert [(fire["fire_at"], fire["outcome"], fire["reason"]) for fire in fires] == [
        ("2025-05-04T12:00:00Z", "fired", "backfill"),
        ("2025-05-04T11:00:00Z", "fired", "backfill"),
    ]
    again = tenant.client.post(f"{path}/backfill", json=times)
    assert (again.status_code, again.json()) == (200, {"operation_id": None, "count": 0, "fires": []})
    [event] = tenant.client.get("/api/audit", params={"action": "operation.started"}).json()["items"][:1]
    assert event["detail"]["filter"]["schedule_id"] == made["schedule_id"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"from": "2025-05-04T10:00:00Z"},
        {"from": "2025-05-04T10:00:00Z", "to": "2025-05-04T10:00:00Z"},
        {"from": "0001-01-01T00:00:00Z", "to": "2025-05-04T10:00:00Z"},
        {"from": "2025-05-04T10:00:00Z", "to": "2025-05-04T11:00:00Z", "dry_run": "yes"},
        {"first": "2025-05-04T10:00:00Z", "to": "2025-05-04T11:00:00Z"},
        # More than 1,000 times.
        {"from": "2025-05-04T10:00:00Z", "to": "2025-05-06T11:00:00Z", "dry_run": True},
    ],
)
def test_an_invalid_backfill_is_refused(tenant: Tenant, body: dict[str, Any]):
    made = _create(tenant, cron="* * * * *", paused=True)
    response = tenant.client.post(f"{SCHEDULES}/{made['schedule_id']}/backfill", json=body)
    assert response.status_code == 422, response.text


def test_a_backfill_of_the_future_does_nothing(tenant: Tenant):
    made = _create(tenant, cron="* * * * *", paused=True)
    times = {"from": "2999-05-04T10:30:00Z", "to": "9999-12-31T23:59:59Z"}
    response = tenant.client.post(f"{SCHEDULES}/{made['schedule_id']}/backfill", json=times)
    assert (response.status_code, response.json()["count"]) == (200, 0)


def test_a_preview_stores_nothing(tenant: Tenant):
    response = tenant.client.post(f"{SCHEDULES}/preview", json={"cron": "30 2 * * *", "timezone": "Europe/Berlin"})
    assert response.status_code == 200
    preview = response.json()
    assert preview["description"] == "At 02:30 every day (Europe/Berlin)"
    assert len(preview["next_fires"]) == 10
    every = tenant.client.post(
        f"{SCHEDULES}/preview",
        json={"every_seconds": 60, "starts_at": "2030-01-01T00:00:00Z", "ends_at": "2030-01-01T00:02:00Z"},
    ).json()
    assert every["next_fires"] == ["2030-01-01T00:00:00Z", "2030-01-01T00:01:00Z", "2030-01-01T00:02:00Z"]
    assert tenant.client.post(f"{SCHEDULES}/preview", json={"cron": "nonsense"}).status_code == 422
    assert tenant.client.get(SCHEDULES).json()["items"] == []


def test_a_viewer_sees_schedules_and_changes_none(tenant: Tenant):
    made = _create(tenant)
    path = f"{SCHEDULES}/{made['schedule_id']}"
    with _with_scopes(tenant, "tasks:read", "tasks:write") as client:
        assert client.get(path).status_code == 200
        assert client.post(f"{SCHEDULES}/preview", json={"cron": "@daily"}).status_code == 200
        for method, end in (("POST", "/pause"), ("POST", "/resume"), ("POST", "/trigger"), ("DELETE", "")):
            assert client.request(method, path + end).status_code == 403
        assert client.put(f"{SCHEDULES}/by-name/a", json=DAILY).status_code == 403


def test_the_clock_fires_a_schedule_and_its_last_fires_say_so(tenant: Tenant):
    starts_at = datetime.now(UTC) + timedelta(seconds=2)
    made = _create(
        tenant, cron=None, every_seconds=10, starts_at=starts_at.isoformat(), max_fires=1, payload={"by": "clock"}
    )
    wait_until(lambda: _get(tenant, made["schedule_id"])["fires"] == 1, "the fire")
    shown = _get(tenant, made["schedule_id"])
    [fire] = shown["last_fires"]
    assert (fire["outcome"], fire["reason"], fire["count"]) == ("fired", None, 1)
    assert fire["fire_at"] == made["next_fire_at"] == shown["last_fire_at"]
    # It was the last one.
    assert (shown["next_fire_at"], shown["next_fires"]) == (None, [])
    result = tenant.client.get(f"/api/tasks/{fire['task_id']}/result", params={"wait": 20}).json()
    assert (result["status"], result["result"]) == ("SUCCESS", {"by": "clock"})


def test_a_fire_without_room_leaves_a_row_and_an_event(make_tenant: Callable[..., Tenant], admin: Any):
    full = make_tenant(f"quota-{uuid.uuid4().hex[:8]}")
    admin("tenant", "set-limit", full.slug, "tasks_per_day=0")
    starts_at = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    made = _create(full, cron=None, every_seconds=3600, starts_at=starts_at)
    wait_until(lambda: bool(_get(full, made["schedule_id"])["last_fires"]), "the row")
    [fire] = _get(full, made["schedule_id"])["last_fires"]
    assert (fire["outcome"], fire["reason"], fire["task_id"]) == ("skipped_quota", "day", None)
    [event] = full.client.get("/api/events", params={"type": "schedule.skipped"}).json()["items"]
    assert event["data"] == {
        "schedule_id": made["schedule_id"], "name": "nightly", "outcome": "skipped_quota", "reason": "day", "count": 1,
        "fire_at": event["data"]["fire_at"], "until": None,
    }  # fmt: skip
    assert event["data"]["fire_at"].startswith(fire["fire_at"].removesuffix("Z"))
    assert json.dumps(event)
