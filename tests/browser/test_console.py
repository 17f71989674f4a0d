"""The console in a real browser, over a real stack: what a person sees and does. Pages by themselves: tests/console."""

import json
import re
import uuid
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Tab, Tabs
from tests.conftest import Tenant, wait_until
from tests.console.conftest import PASSWORD, add
from tests.webhooks.conftest import Deliverer
from tests.webhooks.receiver import Receiver, status

AXE = Path(__file__).with_name("axe.min.js")
AXE_SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
"""SHA-256 of ``axe.min.js`` in the package axe-core 4.14.1."""
PAGES = (
    "",
    "/tasks",
    "/errors",
    "/schedules",
    "/schedules/new",
    "/webhooks",
    "/webhooks/new",
    "/submit?task=long_task",
    "/usage",
    "/keys",
    "/members",
    "/audit",
    "/you",
)
_TOO_WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
_AXE = """async (rules) => (await axe.run(document, {resultTypes: ["violations"], ...rules})).violations
    .filter(found => ["serious", "critical"].includes(found.impact))
    .map(found => `${found.id}: ${found.nodes.map(node => node.html).slice(0, 3).join(" | ")}`)"""


def _status(page: Page) -> Any:
    return page.locator("#task .state-row .status")


def test_a_person_signs_in_by_keyboard_alone(tabs: Tabs, acme: Tenant):
    tab, email = tabs(None), add(acme, "developer")["email"]
    page = tab.go("/tasks")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    tab.expected.add(401)
    page.keyboard.type(email)
    page.keyboard.press("Tab")
    page.keyboard.type("a wrong password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("wrong")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Tasks", level=1)).to_be_visible()
    expect(page.locator(".who")).to_contain_text(email)


def test_a_task_is_watched_from_submit_to_success_without_a_reload(tabs: Tabs, acme: Tenant):
    tab = tabs("developer")
    page = tab.go("/submit?task=long_task")
    page.locator("[name='field.seconds']").fill("2")
    page.locator("[name='field.steps']").fill("8")
    page.get_by_role("button", name="Submit the task").click()
    expect(page.get_by_role("heading", name="long_task")).to_be_visible()
    page.evaluate("window.unbroken = true")
    page.locator("#task .head").first.evaluate("element => getSelection().selectAllChildren(element)")
    expect(_status(page)).to_have_text("Started", timeout=20_000)
    expect(page.locator(".live")).to_have_attribute("data-state", "live")
    expect(page.locator("#task .progress .meter")).to_be_visible()
    expect(_status(page)).to_have_text("Success", timeout=20_000)
    expect(page.get_by_role("heading", name="Result")).to_be_visible()
    expect(page.get_by_role("button", name="Retry")).to_be_visible()
    assert page.evaluate("window.unbroken && String(getSelection())") == "Log"


def test_a_list_changes_under_a_person_and_keeps_what_was_chosen(tabs: Tabs, acme: Tenant):
    tag = uuid.uuid4().hex
    first = acme.submit(task="echo", payload=1, tags=[tag], delay_seconds=3600)
    tab = tabs("developer")
    page = tab.go(f"/tasks?tag={tag}")
    page.locator(f"#task-{first} input").check()
    page.get_by_placeholder("Find by id").fill("half an id")
    second = acme.submit(task="echo", payload=1, tags=[tag])
    expect(page.locator(f"#task-{second}")).to_be_visible(timeout=15_000)
    expect(page.locator(f"#task-{second} .status")).to_have_text("Success", timeout=15_000)
    expect(page.locator(f"#task-{first} input")).to_be_checked()
    expect(page.get_by_placeholder("Find by id")).to_have_value("half an id")
    expect(page.get_by_placeholder("Find by id")).to_be_focused()


def test_a_task_is_cancelled_and_retried_by_keyboard(tabs: Tabs, acme: Tenant):
    task_id = acme.submit(task="echo", payload=1, delay_seconds=3600)
    page = tabs("developer").go(f"/tasks/{task_id}")
    page.keyboard.press("c")
    expect(page.get_by_role("dialog")).to_contain_text("Cancel this task?")
    page.get_by_role("button", name="Keep it").click()
    assert acme.status(task_id)["status"] == "PENDING"
    page.keyboard.press("c")
    page.get_by_role("button", name="Cancel the task").press("Enter")
    expect(_status(page)).to_have_text("Revoked")
    page.keyboard.press("r")
    expect(page.get_by_text(task_id)).to_be_visible()
    expect(_status(page)).to_have_text("Success", timeout=20_000)


def test_the_second_question_of_a_quick_person_is_answered_too(tabs: Tabs, acme: Tenant):
    task_id = acme.submit(task="echo", payload=1, delay_seconds=3600)
    page = tabs("developer").go(f"/tasks/{task_id}")
    page.keyboard.press("c")
    page.evaluate("""() => {
        document.querySelector("#confirm button[value='']").click();
        document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "c", bubbles: true }));
    }""")
    page.get_by_role("button", name="Cancel the task").click()
    expect(_status(page)).to_have_text("Revoked")


def test_rows_are_chosen_and_cancelled_by_keyboard(tabs: Tabs, acme: Tenant):
    tag = uuid.uuid4().hex
    ids = [acme.submit(task="echo", payload=1, tags=[tag], delay_seconds=3600) for _ in range(3)]
    page = tabs("developer").go(f"/tasks?tag={tag}")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("[data-chosen]")).to_have_text("2 chosen")
    page.keyboard.press("c")
    expect(page.get_by_role("heading", name="Cancel 2 tasks?")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator("#operation .status")).to_have_text("Succeeded", timeout=20_000)
    assert [acme.status(task_id)["status"] for task_id in ids] == ["PENDING", "REVOKED", "REVOKED"]


def test_the_keyboard_leads_everywhere(tabs: Tabs):
    page = tabs("owner").go("")
    for key, heading in (
        ("t", "Tasks"),
        ("w", "Webhooks"),
        ("u", "Usage and limits"),
        ("k", "API keys"),
        ("m", "Members"),
        ("a", "Audit log"),
        ("o", "Overview"),
    ):
        page.keyboard.press("g")
        page.keyboard.press(key)
        expect(page.get_by_role("heading", name=heading, level=1)).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Search by id")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.get_by_placeholder("Find by id")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press(".")
    expect(page.locator(".live")).to_have_text("Paused")
    page.keyboard.press(".")
    expect(page.locator(".live")).not_to_have_text("Paused")


def test_a_viewer_sees_no_button(tabs: Tabs, acme: Tenant):
    task_id = acme.submit(task="echo", payload=1, delay_seconds=3600)
    tab = tabs("viewer")
    page = tab.go(f"/tasks/{task_id}")
    expect(page.get_by_text("It is not due yet")).to_be_visible()
    assert page.locator("main form").count() == 0
    page.keyboard.press("c")
    assert page.get_by_role("dialog").count() == 0
    page = tab.go("/tasks")
    assert page.locator("main input[type=checkbox]").count() == 0


def test_another_tenants_task_is_not_there(tabs: Tabs, globex: Tenant):
    tab = tabs("owner")
    tab.expected.add(404)
    page = tab.go(f"/tasks/{globex.submit(task='echo', payload=1, delay_seconds=3600)}")
    expect(page.get_by_role("heading", name="Not found")).to_be_visible()


def test_a_session_that_was_revoked_elsewhere_is_out_within_two_seconds(tabs: Tabs, acme: Tenant):
    key = acme.client.post("/api/keys", json={"name": "backend"}).json()
    headers = {"Authorization": f"Bearer {key['api_key']}"}
    url = acme.client.post("/api/portal-links", json={"role": "viewer"}, headers=headers).json()["url"]
    tab = tabs(None)
    tab.page.goto(url)
    tab.page.get_by_role("button", name="Open the console").click()
    expect(tab.page.locator(".live")).to_have_attribute("data-state", "live")
    tab.expected.add(401)
    assert acme.client.delete(f"/api/keys/{key['key_id']}").status_code == 204
    # 2 s for the stream to end, and what the browser takes to ask again.
    expect(tab.page.get_by_role("heading", name="Sign in")).to_be_visible(timeout=4_000)


def test_a_form_of_another_site_changes_nothing(tabs: Tabs, acme: Tenant):
    task_id = acme.submit(task="echo", payload=1, delay_seconds=3600)
    tab = tabs("owner")
    tab.expected |= {401, 403}
    page = tab.go("")
    # The same machine by another name: another site, with the browser's own cookies for ours.
    action = f"{tab.url}/console/tasks/{task_id}/cancel"
    other = tab.url.replace("127.0.0.1", "localhost")
    page.route(
        "**/evil",
        lambda route: route.fulfill(
            content_type="text/html", body=f'<form method="post" action="{action}"><button>Win</button></form>'
        ),
    )
    tab.hosts.add(other.removeprefix("http://"))
    page.goto(f"{other}/evil")
    with page.expect_response(re.compile("/cancel")) as sent:
        page.get_by_role("button", name="Win").click()
    # The cookie is not sent from another site, and a stranger has no token.
    assert sent.value.status in {401, 403}
    assert acme.status(task_id)["status"] == "PENDING"


def test_tabs_share_one_stream_and_the_seventh_opens(tabs: Tabs, acme: Tenant):
    first = tabs("viewer")
    streams: list[str] = []
    made = [first] + [tabs(None, first.page.context) for _ in range(6)]
    for tab in made:
        tab.page.on("request", lambda request: streams.append(request.url) if "/console/live" in request.url else None)
        expect(tab.go("").get_by_role("heading", name="Overview")).to_be_visible()
    expect(made[-1].page.locator(".live")).to_have_attribute("data-state", "live", timeout=10_000)
    assert first.page.evaluate("navigator.locks.query().then(found => found.held.length)") == 1


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_each_page_is_accessible_and_fits_a_phone(tabs: Tabs, acme: Tenant, theme: str):
    assert sha256(AXE.read_bytes()).hexdigest() == AXE_SHA256
    task_id = acme.submit(task="echo", payload={"a": [1, {"b": None}]}, tags=["x"])
    acme.result(task_id)
    tab = tabs("owner")
    page = tab.page
    tab.page.context.add_cookies([{"name": "console-theme", "value": theme, "url": f"{tab.url}/console"}])
    # Only colours differ between the themes, and every rule takes a second of a core for each page.
    rules = {} if theme == "light" else {"runOnly": ["color-contrast"]}
    script = AXE.read_text()
    for path in (*PAGES, f"/tasks/{task_id}"):
        page.set_viewport_size({"width": 1280, "height": 850})
        tab.go(path)
        assert page.locator("main h1").count() == 1
        assert page.locator("html").get_attribute("data-theme") == theme
        page.evaluate(script)
        assert page.evaluate(_AXE, rules) == [], path
        page.set_viewport_size({"width": 390, "height": 844})
        assert not page.evaluate(_TOO_WIDE), path


def test_the_pages_work_without_a_script(tabs: Tabs, acme: Tenant, chromium: Any):
    context = chromium.new_context(java_script_enabled=False)
    try:
        tab = tabs("developer", context)
        page = tab.go("/submit?task=echo")
        page.get_by_label("Payload as JSON").fill(json.dumps({"no": "script"}))
        page.get_by_role("button", name="Submit the task").click()
        expect(page.get_by_role("heading", name="echo")).to_be_visible()
        page.get_by_role("link", name="Overview").click()
        expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    finally:
        context.close()


def _colours(tab: Tab) -> str:
    return str(tab.page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))


def test_the_colours_follow_the_person_and_stay(tabs: Tabs):
    tab = tabs("viewer")
    page = tab.go("")
    button = page.get_by_role("button", name="Change the colours")
    button.click()
    light = _colours(tab)
    button.click()
    dark = _colours(tab)
    assert light != dark
    page.reload()
    assert (_colours(tab), page.locator("html").get_attribute("data-theme")) == (dark, "dark")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A server of the tenant that gets webhooks."""
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def deliverer(environment: dict[str, str], tmp_path: Path) -> Iterator[Deliverer]:
    """A process that delivers."""
    made = Deliverer(environment, tmp_path / "webhooks.log")
    yield made
    made.terminate()
    made.process.wait(30)


def test_an_endpoint_is_created_tested_and_sent_to_again(
    tabs: Tabs, receiver: Receiver, deliverer: Deliverer, acme: Tenant
):
    tab = tabs("developer")
    page = tab.go("/webhooks")
    page.get_by_role("link", name="Create an endpoint").click()
    page.get_by_label("URL").fill(receiver.on("/hook", status(503), status(503), status(204)))
    page.get_by_role("button", name="Create the endpoint").click()
    expect(page.get_by_role("heading", name="/hook", level=1)).to_be_visible()
    test = f"/api/webhooks/endpoints/{page.url.rpartition('/')[2]}/test"
    wait_until(lambda: acme.client.post(test, json={}).status_code == 200, "a process that delivers")
    page.get_by_role("button", name="Send a test").click()
    state = page.locator("#delivery .state-row .status")
    expect(state).to_have_text("Failed", timeout=20_000)
    expect(page.locator("#attempt-1")).to_contain_text("503")
    page.evaluate(AXE.read_text())
    assert page.evaluate(_AXE, {}) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert not page.evaluate(_TOO_WIDE)
    page.get_by_role("button", name="Resend").click()
    expect(state).to_have_text("Delivered", timeout=20_000)
    expect(page.locator("#attempt-2")).to_contain_text("204")
    page.get_by_role("link", name="Endpoint").click()
    expect(page.locator("#deliveries tbody tr")).to_have_count(2)
    page.evaluate(AXE.read_text())
    assert page.evaluate(_AXE, {}) == []
    assert not page.evaluate(_TOO_WIDE)
    page.get_by_role("button", name="Delete the endpoint").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No endpoint yet")).to_be_visible()
