"""The pages of schedules: the list, one with its fires, and who may act."""

import re
import uuid
from collections.abc import Callable

import pytest

from tests.conftest import Tenant, wait_until
from tests.console.conftest import PlainBrowser, heading


@pytest.fixture
def developer(as_role: Callable[[str], PlainBrowser]) -> PlainBrowser:
    """A browser that a developer of acme has signed in."""
    return as_role("developer")


def _fields(**changes: str) -> dict[str, str]:
    fields = {
        "cron": "0 3 * * *",
        "every_seconds": "",
        "timezone": "Europe/Berlin",
        "task": "echo",
        "payload": '{"a": 1}',
    }
    return {"name": f"c{uuid.uuid4().hex}", "overlap": "skip", "catch_up": "latest"} | fields | changes


def test_a_schedule_is_created_run_paused_resumed_and_deleted(developer: PlainBrowser, acme: Tenant):
    developer.get("/schedules/new")
    fields = _fields()
    made = developer.post("/schedules", **fields)
    found = re.fullmatch(r"/console/schedules/([0-9a-f-]{36})", made.url.path)
    assert found, made.text
    schedule_id = found[1]
    assert fields["name"] in heading(made)
    assert "At 03:00 every day (Europe/Berlin)" in made.text and "No fire yet" in made.text
    stored = acme.client.get(f"/api/schedules/{schedule_id}").json()
    assert (stored["overlap"], stored["catch_up"], stored["payload"]) == ("skip", "latest", {"a": 1})
    assert fields["name"] in developer.get("/schedules").text
    here = f"/schedules/{schedule_id}"
    developer.get(here)
    task = developer.post(f"{here}/trigger")
    assert task.url.path.startswith("/console/tasks/")
    assert "Fired" in developer.get(here).text and "trigger" in developer.get(here).text
    paused = developer.post(f"{here}/pause", note="<b>we move</b>")
    assert "Paused" in paused.text and "&lt;b&gt;we move" in paused.text
    assert "Paused" not in developer.post(f"{here}/resume").text
    assert developer.post(f"{here}/delete").url.path == "/console/schedules"
    assert acme.client.get(f"/api/schedules/{schedule_id}").status_code == 404


def test_past_times_are_made_up(developer: PlainBrowser, acme: Tenant):
    developer.get("/schedules/new")
    made = developer.post("/schedules", **_fields(cron="0 * * * *"))
    here = made.url.path.removeprefix("/console")
    begun = developer.post(f"{here}/backfill", since="24h")
    assert begun.url.path.startswith("/console/operations/"), begun.text
    assert "Make up" in heading(begun) and "/console/schedules" in begun.text
    operation = f"/api/operations/{begun.url.path.rpartition('/')[2]}"
    wait_until(lambda: acme.client.get(operation).json()["status"] == "SUCCEEDED", "the backfill")
    assert acme.client.get(operation).json()["done"] in {23, 24, 25}
    developer.get(here)
    # Nothing is left to do.
    assert developer.post(f"{here}/backfill", since="24h").url.path == made.url.path
    developer.post(f"{here}/delete")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"cron": "nonsense"}, "cron"),
        ({"cron": "", "every_seconds": "5"}, "every_seconds"),
        ({"cron": "", "every_seconds": "often"}, "every_seconds"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"payload": "{"}, "payload"),
        ({"name": "with space"}, "name"),
    ],
)
def test_what_is_wrong_comes_back_with_its_place(developer: PlainBrowser, changes: dict[str, str], named: str):
    developer.get("/schedules/new")
    fields = _fields(**changes)
    refused = developer.post("/schedules", **fields)
    assert refused.status_code == 422
    assert f"<code>{named}</code>" in refused.text
    assert f'value="{fields["timezone"]}"' in refused.text


def test_a_viewer_sees_schedules_and_no_acts(as_role: Callable[[str], PlainBrowser], acme: Tenant):
    viewer = as_role("viewer")
    body = {"name": f"c{uuid.uuid4().hex}", "cron": "@daily", "task": "echo"}
    schedule_id = acme.client.post("/api/schedules", json=body).json()["schedule_id"]
    page = viewer.get(f"/schedules/{schedule_id}")
    assert body["name"] in page.text and "Run now" not in page.text and "Delete the schedule" not in page.text
    assert viewer.get("/schedules/new").status_code == 403
    for act in ("pause", "resume", "trigger", "delete"):
        assert viewer.post(f"/schedules/{schedule_id}/{act}").status_code == 403
    assert acme.client.delete(f"/api/schedules/{schedule_id}").status_code == 204


def test_another_tenants_schedule_is_unknown(developer: PlainBrowser, globex: Tenant):
    body = {"name": f"c{uuid.uuid4().hex}", "cron": "@daily", "task": "echo"}
    schedule_id = globex.client.post("/api/schedules", json=body).json()["schedule_id"]
    assert developer.get(f"/schedules/{schedule_id}").status_code == 404
    assert developer.post(f"/schedules/{schedule_id}/delete").status_code == 404
    assert globex.client.delete(f"/api/schedules/{schedule_id}").status_code == 204
