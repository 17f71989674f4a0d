"""The reference of the API in a real browser: each example of a task type works as it stands."""

import json

from playwright.sync_api import Page, expect

from tests.browser.conftest import Tabs
from tests.conftest import Tenant

_DRAWN = 30_000


def authorize(page: Page, key: str) -> None:
    """Give the page a key."""
    page.get_by_role("button", name="Authorize").first.click()
    page.locator(".auth-container input").first.fill(key)
    page.locator(".auth-btn-wrapper button[type=submit]").click()
    page.locator(".auth-btn-wrapper .btn-done").click()


def send_example(page: Page, name: str) -> str:
    """Send the example of a task type as it stands. Return the id of the task."""
    call = page.locator("#operations-tasks-submit_task")
    if "is-open" not in (call.get_attribute("class") or ""):
        call.locator(".opblock-summary-control").click()
    chosen = call.locator(".opblock-section-request-body .examples-select-element")
    chosen.select_option(name)
    # The page has a hundred calls, and draws them anew with each answer: that takes its time on a busy machine.
    expect(call.locator("textarea.body-param__text")).to_contain_text(f'"{name}"', timeout=_DRAWN)
    with page.expect_response("**/api/tasks/submit") as sent:
        call.get_by_role("button", name="Execute").click()
    assert sent.value.status == 202, sent.value.text()
    expect(call.locator(".live-responses-table tbody .response-col_status").first).to_contain_text(
        "202", timeout=_DRAWN
    )
    return str(json.loads(sent.value.text())["task_id"])


def test_the_example_of_each_task_type_is_accepted_as_it_stands(tabs: Tabs, acme: Tenant):
    page = tabs(None).page
    page.goto(f"{acme.client.base_url}/docs".replace("//docs", "/docs"))
    expect(page.get_by_role("heading", name="Task Queue Worker API")).to_be_visible(timeout=_DRAWN)
    authorize(page, acme.api_key)
    names = [each["name"] for each in acme.client.get("/api/task-types").json()["items"]]
    # Those of the product. The others belong to the tests, and some of them make a worker hang on purpose.
    shipped = [name for name in names if name in {"echo", "long_task", "http_request"}]
    assert len(shipped) == 3
    ids = {name: send_example(page, name) for name in shipped}
    assert [acme.result(ids[name])["status"] for name in ("echo", "long_task")] == ["SUCCESS"] * 2
    # Nothing of the key is left for the next person.
    assert page.evaluate("Object.keys(localStorage).length + Object.keys(sessionStorage).length") == 0
    acme.client.post(f"/api/tasks/{ids['http_request']}/cancel")
