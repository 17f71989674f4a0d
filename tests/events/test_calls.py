"""The call that follows a tenant's events, as JSON and as a stream."""

import threading
import time
from collections.abc import Callable

import httpx
import pytest

from tests.conftest import Stack, Tenant, wait_until
from tests.events.conftest import all_events, page, streaming

FUTURE = {"task": "echo", "delay_seconds": 3600}


def _ended(tenant: Tenant, count: int = 1, **body: object) -> list[str]:
    """Cancel so many tasks, one after the other; return their ids."""
    made = [tenant.submit(**(FUTURE | body)) for _ in range(count)]
    for task_id in made:
        assert tenant.client.post(f"/api/tasks/{task_id}/cancel").status_code == 200
    return made


def _told(items: list[dict]) -> list[str]:
    return [item["data"]["task_id"] for item in items]


@pytest.fixture
def tenant(make_tenant: Callable[..., Tenant], request: pytest.FixtureRequest) -> Tenant:
    """A tenant of the test's own."""
    return make_tenant(f"feed-{time.time_ns()}")


def test_an_event_says_what_happened_to_its_task(tenant: Tenant):
    done = tenant.submit(task="echo", payload=1, tags=["a", "ü"])
    tenant.result(done)
    failed = tenant.submit(task="long_task", payload={"seconds": 0, "fail_attempts": 3}, max_attempts=1)
    tenant.result(failed)
    [waits] = _ended(tenant)
    got = page(tenant)
    assert [(item["type"], item["data"]["task_id"], item["data"]["status"]) for item in got["items"]] == [
        ("task.succeeded", done, "SUCCESS"), ("task.failed", failed, "FAILURE"), ("task.revoked", waits, "REVOKED"),
    ]  # fmt: skip
    first, second, third = got["items"]
    assert set(first) == {"id", "type", "created_at", "data"}
    assert first["data"] == {
        "task_id": done, "task": "echo", "status": "SUCCESS", "attempt_count": 1, "tags": ["a", "ü"], "error": None,
        "flow_id": None, "schedule_id": None,
    }  # fmt: skip
    assert first["id"].startswith("evt_")
    assert second["data"]["error"] == tenant.status(failed)["error"]
    assert (third["data"]["attempt_count"], third["data"]["error"]["type"]) == (0, "Cancelled")


def test_a_retry_is_an_event_with_the_error_of_its_attempt(tenant: Tenant):
    task_id = tenant.submit(task="long_task", payload={"seconds": 0, "fail_attempts": 1}, max_attempts=2)
    tenant.result(task_id)
    items = page(tenant)["items"]
    assert [(item["type"], item["data"]["status"], item["data"]["attempt_count"]) for item in items] == [
        ("task.retrying", "RETRY", 1), ("task.succeeded", "SUCCESS", 2),
    ]  # fmt: skip
    attempts = tenant.client.get(f"/api/tasks/{task_id}").json()["attempts"]
    assert items[0]["data"]["error"] == attempts[0]["error"]
    assert items[1]["data"]["error"] is None


def test_pages_hold_each_event_once_and_the_last_cursor_goes_on(tenant: Tenant):
    made = _ended(tenant, 7)
    assert _told(all_events(tenant, limit=3)) == made
    cursor = page(tenant)["next_cursor"]
    assert page(tenant, after=cursor) == {"items": [], "next_cursor": cursor}
    more = _ended(tenant, 2)
    assert _told(page(tenant, after=cursor)["items"]) == more


def test_a_tenant_without_events_gets_a_cursor_that_goes_on(tenant: Tenant):
    got = page(tenant)
    assert got["items"] == []
    made = _ended(tenant)
    assert _told(page(tenant, after=got["next_cursor"])["items"]) == made


def test_a_filter_by_type_task_and_tag(tenant: Tenant):
    tagged = _ended(tenant, tags=["x"])
    plain = _ended(tenant)
    done = tenant.submit(task="long_task", payload={"seconds": 0})
    tenant.result(done)
    assert _told(page(tenant, tag="x")["items"]) == tagged
    assert _told(page(tenant, type="task.succeeded")["items"]) == [done]
    assert _told(page(tenant, task="echo")["items"]) == [*tagged, *plain]
    nothing = page(tenant, tag="none")
    assert nothing["items"] == []
    assert nothing["next_cursor"] == page(tenant)["next_cursor"]
    assert tenant.client.get("/api/events", params={"type": "task.began"}).status_code == 422


def test_a_wait_ends_with_the_first_event(tenant: Tenant):
    cursor = page(tenant)["next_cursor"]
    found: list[dict] = []
    waiting = threading.Thread(target=lambda: found.append(page(tenant, after=cursor, wait=30)))
    waiting.start()
    made = _ended(tenant)
    waiting.join(25)
    assert _told(found[0]["items"]) == made


def test_a_wait_without_events_ends_empty_with_the_same_cursor(tenant: Tenant):
    cursor = page(tenant)["next_cursor"]
    assert page(tenant, after=cursor, wait=0.3) == {"items": [], "next_cursor": cursor}


@pytest.mark.parametrize("damage", [lambda text: text[:-1], lambda text: text + "A", lambda _: "A" * 40, lambda _: ""])
def test_a_damaged_cursor_is_refused(tenant: Tenant, damage: Callable[[str], str]):
    damaged = damage(page(tenant)["next_cursor"])
    response = tenant.client.get("/api/events", params={"after": damaged})
    assert (response.status_code, response.json()["code"]) == (400, "invalid_cursor")


def test_another_tenants_cursor_is_refused(tenant: Tenant, globex: Tenant):
    _ended(tenant)
    cursor = page(tenant)["next_cursor"]
    for sent in ({"params": {"after": cursor}}, {"headers": {"Last-Event-ID": cursor, "Accept": "text/event-stream"}}):
        response = globex.client.get("/api/events", **sent)
        assert (response.status_code, response.json()["code"]) == (400, "invalid_cursor")


def test_without_event_hours_there_is_no_feed(tenant: Tenant, admin: Callable[..., object]):
    admin("tenant", "set-limit", tenant.slug, "event_hours=0")
    wait_until(lambda: tenant.client.get("/api/events").status_code == 409, "a new limit", 5)
    assert tenant.client.get("/api/events").json()["code"] == "no_event_log"


def test_a_stream_begins_now_and_sends_each_event_with_its_cursor(stack: Stack, tenant: Tenant):
    _ended(tenant, 2)
    with streaming(stack.url, tenant.api_key) as stream:
        made = _ended(tenant, 3)
        assert _told(stream.wait_for(3)) == made
        messages = [message for message in stream.messages if message.data]
    items = page(tenant, limit=100)["items"][2:]
    assert [message.json() for message in messages] == items
    assert _told(page(tenant, after=messages[0].id)["items"]) == made[1:]


def test_a_stream_resumes_after_the_last_event_id_also_before_its_first_event(stack: Stack, tenant: Tenant):
    with streaming(stack.url, tenant.api_key) as stream:
        wait_until(lambda: stream.last_id is not None, "the place of a stream")
    missed = _ended(tenant, 2)
    with streaming(stack.url, tenant.api_key, headers={"Last-Event-ID": stream.last_id or ""}) as again:
        assert _told(again.wait_for(2)) == missed
        more = _ended(tenant)
        assert _told(again.wait_for(3)) == missed + more


def test_a_stream_with_a_filter_sends_only_what_matches(stack: Stack, tenant: Tenant):
    with streaming(stack.url, tenant.api_key, tag="x") as stream:
        _ended(tenant)
        tagged = _ended(tenant, tags=["x"])
        assert _told(stream.wait_for(1)) == tagged


def test_twenty_cut_connections_lose_and_repeat_nothing(stack: Stack, tenant: Tenant):
    seen: list[str] = []
    last = page(tenant)["next_cursor"]
    made: list[str] = []
    for round_ in range(20):
        with streaming(stack.url, tenant.api_key, headers={"Last-Event-ID": last}) as stream:
            made += _ended(tenant, 3)
            # Cut at another point each time: before, amid and after the events of the round.
            stream.wait_for(round_ % 3)
        seen += _told(stream.events)
        last = stream.last_id or last
    with streaming(stack.url, tenant.api_key, headers={"Last-Event-ID": last}) as stream:
        wait_until(lambda: len(seen) + len(stream.events) >= len(made), "the rest of the events")
        seen += _told(stream.events)
    assert seen == made


def test_streams_are_limited_and_a_place_is_free_again_when_one_ends(
    stack: Stack, tenant: Tenant, admin: Callable[..., object]
):
    admin("tenant", "set-limit", tenant.slug, "streams=1")

    def refused() -> bool:
        with tenant.client.stream("GET", "/api/events", headers={"Accept": "text/event-stream"}) as response:
            if response.status_code != 429:
                return False
            assert response.read()
            assert response.json()["code"] == "too_many_streams"
            assert (response.json()["limit"], response.headers["retry-after"]) == (1, "5")
            return True

    with streaming(stack.url, tenant.api_key):
        wait_until(refused, "a new limit", 5)
    wait_until(lambda: not refused(), "the end of a stream", 5)


@pytest.mark.parametrize("how", ["a revoked key", "a suspended tenant"])
def test_a_stream_ends_with_its_credential(stack: Stack, tenant: Tenant, admin: Callable[..., object], how: str):
    issued = tenant.client.post("/api/keys", json={"name": "x"}).json()
    with streaming(stack.url, issued["api_key"]) as stream, streaming(stack.url, tenant.api_key) as other:
        wait_until(lambda: stream.last_id is not None, "the place of a stream")
        if how == "a revoked key":
            tenant.client.delete(f"/api/keys/{issued['key_id']}").raise_for_status()
        else:
            admin("tenant", "suspend", tenant.slug)
        wait_until(lambda: stream.has_ended, "the end of a stream", 10)
        assert stream.error is None
        if how == "a revoked key":
            # The streams of the tenant's other keys go on.
            made = _ended(tenant)
            assert _told(other.wait_for(1)) == made
        else:
            wait_until(lambda: other.has_ended, "the end of the other stream", 10)
    refused = httpx.get(f"{stack.url}/api/events", headers={"Authorization": f"Bearer {issued['api_key']}"})
    assert refused.status_code == (401 if how == "a revoked key" else 403)


def test_a_client_may_prefer_json(tenant: Tenant):
    for accept in ("application/json, text/event-stream", "*/*", "text/event-stream;q=0.5, application/json"):
        response = tenant.client.get("/api/events", headers={"Accept": accept})
        assert response.headers["content-type"] == "application/json"
        assert "accept" in response.headers["vary"].lower()
