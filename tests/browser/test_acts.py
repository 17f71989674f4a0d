"""What an owner does in a real browser, with the keyboard alone where it matters."""

import json
import uuid

from playwright.sync_api import Page, expect

from tests.browser.conftest import Tabs
from tests.conftest import Tenant


def _press(page: Page, name: str) -> None:
    """Reach a button by its focus, and press it by the keyboard."""
    button = page.get_by_role("button", name=name, exact=True)
    button.focus()
    page.keyboard.press("Enter")


def _confirm(page: Page, name: str) -> None:
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    # The first button keeps things as they are.
    page.keyboard.press("Tab")
    expect(dialog.get_by_role("button", name=name)).to_be_focused()
    page.keyboard.press("Enter")


def test_a_task_is_duplicated_with_edits(tabs: Tabs, acme: Tenant):
    task_id = acme.submit(task="echo", payload={"order": 4711}, tags=["first"])
    acme.result(task_id)
    page = tabs("developer").go(f"/tasks/{task_id}")
    page.get_by_role("link", name="Duplicate").click()
    page.get_by_label("Payload as JSON").fill(json.dumps({"order": 4712}))
    page.get_by_label("Tags").fill("second")
    page.get_by_role("button", name="Submit the task").click()
    expect(page.locator("#task .state-row .status")).to_have_text("Success", timeout=20_000)
    copy = page.url.rpartition("/")[2]
    assert copy != task_id
    assert acme.result(copy)["result"] == {"order": 4712}
    assert acme.client.get(f"/api/tasks/{copy}").json()["tags"] == ["second"]


def test_a_key_is_made_and_rotated_by_keyboard(tabs: Tabs, acme: Tenant):
    page, name = tabs("owner").go("/keys"), f"key {uuid.uuid4().hex[:8]}"
    page.get_by_label("Name").focus()
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    first = page.locator("#new-key").inner_text()
    row = page.locator(f"#key-{first[8:20]}")
    row.get_by_role("button", name="Rotate").focus()
    page.keyboard.press("Enter")
    _confirm(page, "Replace it")
    expect(row).to_contain_text("replaced by")
    second = page.locator("#new-key").inner_text()
    assert second != first
    for key in (first, second):
        assert acme.client.get("/api/tasks", headers={"Authorization": f"Bearer {key}"}).status_code == 200


def test_a_member_is_added_and_removed_by_keyboard(tabs: Tabs, acme: Tenant):
    page, email = tabs("owner").go("/members"), f"{uuid.uuid4().hex[:8]}@example.com"
    page.get_by_label("E-mail address").focus()
    page.keyboard.type(email)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text(email)
    row = page.get_by_role("row").filter(has_text=email)
    row.get_by_role("button", name="Remove").focus()
    page.keyboard.press("Enter")
    _confirm(page, "Remove")
    expect(page.get_by_role("row").filter(has_text=email)).to_have_count(0)


def test_the_queue_is_paused_and_resumed_by_keyboard(tabs: Tabs, acme: Tenant):
    page = tabs("developer").go("")
    try:
        _press(page, "Pause the queue")
        _confirm(page, "Pause it")
        expect(page.locator(".verdict")).to_contain_text("Your queue is paused")
        waiting = acme.submit(task="echo", payload=1)
        assert acme.client.get("/api/limits").json()["queue"]["paused_by"] == ["tenant"]
        _press(page, "Resume the queue")
        expect(page.locator(".verdict")).not_to_contain_text("Your queue is paused")
        assert acme.result(waiting)["status"] == "SUCCESS"
    finally:
        acme.client.post("/api/queue/resume")
