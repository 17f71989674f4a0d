"""What the pages of an owner show and do. The refusals are in tests/console/test_app.py."""

import re
from collections.abc import Callable

import pytest

from tests.conftest import Tenant, wait_until
from tests.console.conftest import PASSWORD, Browsers, PlainBrowser, add, heading


@pytest.fixture
def owner(as_role: Callable[[str], PlainBrowser]) -> PlainBrowser:
    """A browser that an owner of acme has signed in."""
    return as_role("owner")


def test_the_task_page_tells_the_whole_story(owner: PlainBrowser, acme: Tenant):
    payload = {"amount": 12345678901234567, "rate": 0.1, "text": "<b>bold</b>"}
    task_id = acme.submit(task="echo", payload=payload, tags=["nightly"], metadata={"order": "4711"})
    acme.result(task_id)
    page = owner.get(f"/tasks/{task_id}")
    assert heading(page) == "echo"
    for part in (
        task_id,
        ">12345678901234567<",
        "Success",
        "Attempt 1",
        "order:4711".replace(":", "%3A"),
        "nightly",
        "Duplicate",
        "/retry",
    ):
        assert part in page.text, part
    assert "<b>bold" not in page.text and "/cancel" not in page.text


def test_the_log_of_a_task_is_on_its_page_line_by_line(owner: PlainBrowser, acme: Tenant):
    task_id = acme.submit(task="test.logs", payload={"lines": 3})
    acme.result(task_id)
    lines = acme.client.get(f"/api/tasks/{task_id}/logs").json()["items"]
    text = owner.get(f"/tasks/{task_id}").text
    assert len(lines) > 3
    assert [f'id="line-1-{line["seq"]}"' in text for line in lines] == [True] * len(lines)


def test_a_waiting_task_says_why_and_can_be_cancelled(owner: PlainBrowser, acme: Tenant):
    task_id = acme.submit(task="echo", payload=1, delay_seconds=3600)
    page = owner.get(f"/tasks/{task_id}")
    assert "It is not due yet" in page.text
    assert "Revoked" in owner.post(f"/tasks/{task_id}/cancel").text
    assert acme.status(task_id)["status"] == "REVOKED"
    # It has ended, so it can only be run again: as a task of its own.
    again = owner.post(f"/tasks/{task_id}/retry")
    assert again.url.path.rpartition("/")[2] != task_id and task_id in again.text


def test_the_list_filters_by_the_url_and_finds_an_id(owner: PlainBrowser, acme: Tenant):
    task_id = acme.submit(task="echo", payload=1, tags=["only-here"])
    acme.result(task_id)
    page = owner.get("/tasks?tag=only-here&status=SUCCESS")
    assert re.findall(r'id="task-([0-9a-f-]{36})"', page.text) == [task_id]
    assert heading(owner.get("/tasks?tag=nothing-has-it")) == "Tasks"
    assert "No task matches" in owner.get("/tasks?tag=nothing-has-it").text
    assert owner.get(f"/tasks?find=%20{task_id}%20").url.path == f"/console/tasks/{task_id}"
    assert "not the id of a task" in owner.get("/tasks?find=4711").text


def test_the_list_goes_on_by_pages(owner: PlainBrowser, acme: Tenant):
    for _ in range(31):
        acme.submit(task="echo", payload=1, tags=["paged"], delay_seconds=3600)
    first = owner.get("/tasks?tag=paged")
    path = re.search(r'data-next href="/console([^"]+)"', first.text)[1].replace("&amp;", "&")  # type: ignore[index]
    second = owner.get(path)
    ids = [re.findall(r'id="task-([0-9a-f-]{36})"', page.text) for page in (first, second)]
    assert ([len(each) for each in ids], len({*ids[0], *ids[1]})) == ([30, 1], 31)
    assert owner.get("/tasks?cursor=broken").status_code == 400


def test_many_tasks_are_cancelled_with_a_count_before_and_progress_after(owner: PlainBrowser, acme: Tenant):
    ids = [acme.submit(task="echo", payload=1, tags=["bulk"], delay_seconds=3600) for _ in range(3)]
    owner.get("/tasks")
    asked = owner.post("/tasks/bulk", action="cancel", scope="all", query="?tag=bulk")
    assert heading(asked) == "Cancel 3 tasks?"
    assert acme.status(ids[0])["status"] == "PENDING"
    begun = owner.post("/tasks/bulk/start", action="cancel", scope="all", query="?tag=bulk")
    assert heading(begun).startswith("Cancel")
    path = begun.url.path.removeprefix("/console")
    wait_until(lambda: "Succeeded" in owner.get(path).text, "the end of the operation")
    assert heading(owner.get(path)) == "Cancel 3 tasks"
    assert {acme.status(task_id)["status"] for task_id in ids} == {"REVOKED"}
    again = owner.post("/tasks/bulk", action="retry", task_id=ids[:2])
    assert heading(again) == "Retry 2 tasks?"
    for fields in (
        {"action": "retry"},
        {"action": "erase", "task_id": ids},
        {"action": "cancel", "scope": "all", "query": "?status=SUCCESS"},
    ):
        assert owner.post("/tasks/bulk", **fields).status_code == 422


def test_a_task_is_submitted_by_the_fields_of_its_type(owner: PlainBrowser, acme: Tenant):
    page = owner.get("/submit?task=long_task")
    assert 'name="field.seconds"' in page.text and "at most 600" in page.text
    fields = {"field.seconds": "0", "field.steps": "1", "field.value": '{"n": 12345678901234567}'}
    made = owner.post("/submit", task="long_task", by="fields", tags="a, b", metadata="k: v", priority="7", **fields)
    task_id = made.url.path.rpartition("/")[2]
    assert acme.result(task_id)["result"]["value"] == {"n": 12345678901234567}
    task = acme.client.get(f"/api/tasks/{task_id}").json()
    assert (task["tags"], task["metadata"], task["priority"]) == (["a", "b"], {"k": "v"}, 7)
    copy = owner.get(f"/submit?from={task_id}")
    assert "12345678901234567" in copy.text and 'value="a, b"' in copy.text and task_id in copy.text


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"by": "json", "payload": "{"}, "JSON"),
        ({"by": "json", "payload": '{"seconds": -1}'}, "<code>seconds</code>"),
        ({"by": "json", "payload": "{}", "priority": "many"}, "<code>priority</code>"),
        ({"by": "fields", "field.steps": "x"}, "<code>steps</code>"),
        ({"by": "json", "payload": "{}", "metadata": "k" * 65 + ": v"}, "metadata"),
    ],
)
def test_what_cannot_be_submitted_comes_back_with_its_faults(owner: PlainBrowser, fields: dict[str, str], named: str):
    owner.get("/submit?task=long_task")
    page = owner.post("/submit", task="long_task", **fields)
    assert page.status_code in {400, 422} and heading(page) == "Submit a task"
    assert named in page.text and 'role="alert"' in page.text


def test_the_overview_says_what_is_wrong_and_lets_it_be_resumed(owner: PlainBrowser, acme: Tenant):
    owner.get("")
    assert "Your queue is paused" in owner.post("/queue/pause").text
    assert acme.client.get("/api/limits").json()["queue"]["paused_by"] == ["tenant"]
    assert "Your queue is paused" not in owner.post("/queue/resume").text


def test_usage_shows_every_limit_with_its_source(owner: PlainBrowser, acme: Tenant):
    page = owner.get("/usage")
    for limit in acme.client.get("/api/limits").json()["items"]:
        assert f">{limit['name']}</code>" in page.text


def test_a_key_is_shown_once_works_and_is_rotated_and_revoked(owner: PlainBrowser, browsers: Browsers):
    owner.get("/keys")
    made = owner.post("/keys", name="reports", scope=["tasks:read", "usage:read"], expires_days="30")
    text = re.search(r'id="new-key">(tq_live_\w+)<', made.text)[1]  # type: ignore[index]
    client = browsers().client
    assert client.get("/api/tasks", headers={"X-API-Key": text}).status_code == 200
    assert text not in owner.get("/keys").text
    key_id = text[8:20]
    successor = owner.post(f"/keys/{key_id}/rotate")
    second = re.search(r'id="new-key">(tq_live_\w+)<', successor.text)[1]  # type: ignore[index]
    assert second != text and f"replaced by {second[8:20]}" in successor.text
    assert heading(owner.post(f"/keys/{second[8:20]}/revoke")) == "API keys"
    wait_until(
        lambda: client.get("/api/tasks", headers={"X-API-Key": second}).status_code == 401, "the end of the key", 3
    )
    for fields in (
        {"name": "x"},
        {"scope": "tasks:read"},
        {"name": "x", "scope": "none"},
        {"name": "x", "scope": "tasks:read", "expires_days": "-1"},
    ):
        assert owner.post("/keys", **fields).status_code in {403, 422}, fields
    assert owner.post("/keys/none/revoke").status_code == 404


def test_a_member_is_added_changed_and_removed(owner: PlainBrowser, acme: Tenant, browsers: Browsers):
    owner.get("/members")
    made = owner.post("/members", email="Zoe@Example.com", role="viewer")
    password = re.search(r'id="once">([^<]+)<', made.text)[1]  # type: ignore[index]
    assert heading(browsers().sign_in("zoe@example.com", password)) == "Overview"
    member_id = re.search(r'id="member-([0-9a-f-]{36})"><td>zoe@example.com', made.text)[1]  # type: ignore[index]
    assert owner.post("/members", email="zoe@example.com", role="viewer").status_code == 409
    assert heading(owner.post(f"/members/{member_id}/change", role="developer")) == "Members"
    assert "disabled" in owner.post(f"/members/{member_id}/change", disabled="yes").text
    [stored] = [
        each for each in acme.client.get("/api/members?limit=100").json()["items"] if each["member_id"] == member_id
    ]
    assert (stored["role"], stored["disabled_at"] is not None) == ("developer", True)
    assert "zoe@example.com" not in owner.post(f"/members/{member_id}/remove").text
    for fields in ({"email": "none", "role": "viewer"}, {"email": "a@b.c", "role": "admin"}):
        assert owner.post("/members", **fields).status_code == 422


def test_a_known_person_gets_a_code_and_no_password(owner: PlainBrowser, globex: Tenant):
    email = add(globex, "viewer")["email"]
    owner.get("/members")
    page = owner.post("/members", email=email, role="viewer")
    assert "keeps its password" in page.text and "invited" in page.text
    assert PASSWORD not in page.text and re.search(r'id="once">[\w-]{43}<', page.text)


def test_the_audit_log_shows_who_did_what(owner: PlainBrowser):
    owner.get("/keys")
    owner.post("/keys", name="audited", scope="tasks:read")
    page = owner.get("/audit?action=key.issued")
    assert "key.issued" in page.text and "member.added" not in page.text
    assert "No change matches" in owner.get("/audit?actor=nobody@example.com").text
    # A filter that makes no sense is as none.
    assert "key.issued" in owner.get("/audit?action=%3Cb%3E").text


def test_a_session_that_asks_without_end_is_told_to_wait(owner: PlainBrowser):
    statuses = {owner.client.get("/console/nothing-here", follow_redirects=False).status_code for _ in range(5)}
    assert statuses == {404}
    # As many as it takes: on a busy machine the rate of the session allows more of them.
    answers = (owner.client.get("/console/you") for _ in range(3_000))
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert int(refused.headers["Retry-After"]) >= 1


def test_errors_are_grouped_resolved_and_retried(owner: PlainBrowser, acme: Tenant):
    task_id = acme.submit(task="long_task", payload={"seconds": 0, "steps": 1, "fail_attempts": 5}, max_attempts=1)
    assert acme.result(task_id)["status"] == "FAILURE"
    wait_until(lambda: task_id in owner.get("/errors").text, "the error")
    page = owner.get("/errors")
    error_id = re.search(rf'id="error-([0-9a-f-]{{36}})"[^>]*{task_id}', page.text)[1]  # type: ignore[index]
    assert "SimulatedFailure" in page.text
    assert f"error-{error_id}" not in owner.post(f"/errors/{error_id}/change", action="resolve").text
    assert f"error-{error_id}" in owner.get("/errors?status=resolved").text
    assert f"error-{error_id}" in owner.post(f"/errors/{error_id}/change", action="reopen").text
    assert owner.post(f"/errors/{error_id}/change", action="erase").status_code == 422
    begun = owner.post(f"/errors/{error_id}/retry")
    assert begun.url.path.startswith("/console/operations/")
    assert owner.get("/errors?status=nonsense").status_code == 200
