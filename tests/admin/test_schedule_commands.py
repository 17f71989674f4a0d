"""The commands by which an operator watches, pauses and resumes schedules."""

import json
import uuid
from collections.abc import Callable
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.conftest import Tenant

Admin = Callable[..., CompletedProcess[str]]


@pytest.fixture
def planned(make_tenant: Callable[..., Tenant]) -> tuple[Tenant, str]:
    """A tenant with a schedule, and its id."""
    tenant = make_tenant(f"adm-{uuid.uuid4().hex[:10]}")
    body = {"name": "nightly", "cron": "0 3 * * *", "task": "echo", "payload": {"secret": "sesame"}}
    made = tenant.client.post("/api/schedules", json=body)
    assert made.status_code == 201, made.text
    return tenant, made.json()["schedule_id"]


def _json(done: CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_operator_lists_and_shows_schedules_without_payloads(admin: Admin, planned: tuple[Tenant, str]):
    tenant, schedule_id = planned
    tenant.client.post(f"/api/schedules/{schedule_id}/trigger")
    listed = _json(admin("schedule", "list", "--tenant", tenant.slug, "--json"))
    [found] = listed["items"] if isinstance(listed, dict) else listed
    assert (found["slug"], found["schedule_id"], found["times"]) == (tenant.slug, schedule_id, "0 3 * * * UTC")
    assert found["last_outcome"] == "fired"
    shown = admin("schedule", "show", tenant.slug, schedule_id, "--json")
    assert _json(shown)["last_fires"][0]["reason"] == "trigger"
    assert "sesame" not in shown.stdout


def test_an_operator_pauses_and_resumes_a_schedule_and_the_tenant_sees_it(admin: Admin, planned: tuple[Tenant, str]):
    tenant, schedule_id = planned
    paused = _json(admin("schedule", "pause", tenant.slug, schedule_id, "--note", "it floods", "--json"))
    assert (paused["paused"], paused["pause_note"], paused["next_fire_at"]) == (True, "it floods", None)
    seen = tenant.client.get(f"/api/schedules/{schedule_id}").json()
    assert (seen["pause_note"], bool(seen["paused_by"])) == ("it floods", True)
    assert _json(admin("schedule", "resume", tenant.slug, schedule_id, "--json"))["paused"] is False
    events = tenant.client.get("/api/audit", params={"limit": 2}).json()["items"]
    assert [event["action"] for event in events] == ["schedule.resumed", "schedule.paused"]


def test_a_schedule_of_another_tenant_is_unknown(admin: Admin, planned: tuple[Tenant, str], globex: Tenant):
    _, schedule_id = planned
    for command in ("show", "pause", "resume"):
        refused = admin("schedule", command, globex.slug, schedule_id)
        assert refused.returncode == 3
        assert "There is no such schedule" in refused.stderr
