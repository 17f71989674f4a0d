"""The operator's pages in a real browser, over a real stack. Pages by themselves: tests/operator."""

import re
import uuid
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Tab
from tests.browser.test_console import _AXE, _TOO_WIDE, AXE
from tests.conftest import Stack, Tenant, wait_until
from tests.operator.conftest import make_link  # noqa: F401 links that sign in

PAGES = ("", "/tenants", "/tenants/acme", "/queues?show=all", "/queues", "/workers", "/processes", "/endpoints")


class OperatorTab(Tab):
    """A tab whose pages are at the root."""

    def go(self, path: str) -> Page:
        """Open a page."""
        self.page.goto(f"{self.url}{path or '/'}")
        return self.page


@pytest.fixture
def tab(chromium: Browser, operator_url: str, make_link: Callable[[], str]) -> Iterator[OperatorTab]:  # noqa: F811
    """A tab that is signed in. After the test it may have no fault."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    made = OperatorTab(context.new_page(), operator_url)
    made.watch()
    made.page.goto(make_link())
    made.page.get_by_role("button", name="Sign in").click()
    expect(made.page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    yield made
    context.close()
    assert made.faults == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_each_page_is_accessible_and_fits_a_phone(tab: OperatorTab, acme: Tenant, theme: str):
    page = tab.page
    page.context.add_cookies([{"name": "operator-theme", "value": theme, "url": tab.url}])
    # Only colours differ between the themes, and every rule takes a second of a core for each page.
    rules = {} if theme == "light" else {"runOnly": ["color-contrast"]}
    for path in PAGES:
        page.set_viewport_size({"width": 1440, "height": 900})
        tab.go(path)
        assert page.locator("main h1").count() == 1
        assert page.locator("html").get_attribute("data-theme") == theme
        page.evaluate(AXE.read_text())
        assert page.evaluate(_AXE, rules) == [], path
        assert not page.evaluate(_TOO_WIDE), path
        page.set_viewport_size({"width": 390, "height": 844})
        assert not page.evaluate(_TOO_WIDE), path


def test_the_keyboard_leads_everywhere(tab: OperatorTab, acme: Tenant):
    page = tab.page
    for key, heading in (
        ("t", "Tenants"), ("q", "Queues"), ("w", "Workers"), ("p", "Processes"), ("e", "Endpoints"), ("o", "Overview"),
    ):  # fmt: skip
        page.keyboard.press("g")
        page.keyboard.press(key)
        expect(page.get_by_role("heading", name=heading, level=1)).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Keyboard")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.get_by_placeholder("Slug, name or id")).to_be_focused()
    page.keyboard.type("acme")
    page.keyboard.press("Enter")
    expect(page.locator("tr[data-row]")).to_have_count(1)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="acme", level=1)).to_be_visible()


def test_a_tenant_is_created_limited_suspended_and_looked_into(tab: OperatorTab, stack: Stack):
    page, slug = tab.go("/tenants"), f"browsed-{uuid.uuid4().hex[:8]}"
    page.get_by_label("Slug a-z").fill(slug)
    page.get_by_label("Name for people").fill("Made in a browser")
    page.get_by_label("Plan").select_option("pro")
    page.get_by_role("button", name="Create the tenant").click()
    expect(page.get_by_role("alert")).to_contain_text("is ready")
    assert (page.locator("#new-key").text_content() or "").startswith("tq_live_")
    page.get_by_role("alert").get_by_role("link", name=slug).click()
    row = page.locator("#limit-running")
    row.get_by_label("Override running").fill("7")
    row.get_by_role("button", name="Set").click()
    expect(row).to_contain_text("plan: 20")
    expect(row.get_by_label("Override running")).to_have_value("7")
    page.get_by_role("button", name=f"Suspend {slug}").click()
    page.get_by_role("dialog").get_by_role("button", name="Keep it").click()
    expect(page.locator("#standing .status")).to_have_text("Active")
    page.get_by_role("button", name=f"Suspend {slug}").click()
    page.get_by_role("dialog").get_by_role("button", name="Suspend it").click()
    expect(page.locator("#standing .status")).to_have_text("Suspended")
    page.get_by_role("button", name="End the suspension").click()
    expect(page.locator("#standing .status")).to_have_text("Active")
    page.get_by_role("button", name="Look into its console").click()
    tab.hosts.add(stack.url.removeprefix("http://"))
    page.get_by_role("link", name=f"Open the console of {slug}").click()
    page.get_by_role("button", name="Open the console").click()
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    expect(page.locator(".who")).to_contain_text("viewer")
    assert page.get_by_role("button", name="Pause the queue").count() == 0


def test_a_queue_is_paused_and_resumed_while_it_is_watched(tab: OperatorTab, make_tenant: Callable[..., Tenant]):
    # A tenant of its own: the queue is empty when its one task is gone.
    watched = make_tenant("watched")
    task_id = watched.submit(task="echo", payload=1, delay_seconds=3600)
    page = tab.go("/queues")
    row = page.locator("#queue-watched")
    row.get_by_role("button", name="Pause").click()
    page.get_by_role("dialog").get_by_role("button", name="Pause it").click()
    expect(row.locator(".status")).to_have_text("Paused by operator")
    assert watched.client.get("/api/limits").json()["queue"]["paused_by"] == ["operator"]
    row.get_by_role("button", name="Resume").click()
    expect(row.locator(".status")).to_have_text("Active")
    # Without a reload, within one refresh.
    watched.client.post(f"/api/tasks/{task_id}/cancel")
    expect(row).to_have_count(0, timeout=15_000)


def test_a_session_that_was_ended_elsewhere_is_out(tab: OperatorTab, admin: Callable[..., object]):
    page = tab.go("/workers")
    tab.expected.add(401)
    admin("operator-sign-out", "--json")
    expect(page.get_by_role("heading", name="Operator: sign in")).to_be_visible(timeout=10_000)


def test_a_form_of_another_site_changes_nothing(tab: OperatorTab, acme: Tenant):
    page = tab.page
    tab.expected |= {401, 403}
    action = f"{tab.url}/queues/acme/pause"
    # A page on another port of the same machine is of the same site, so the browser sends the cookie.
    other = str(acme.client.base_url).rstrip("/")
    tab.hosts.add(other.removeprefix("http://"))
    page.route(
        "**/evil",
        lambda route: route.fulfill(
            content_type="text/html", body=f'<form method="post" action="{action}"><button>Win</button></form>'
        ),
    )
    page.goto(f"{other}/evil")
    with page.expect_response(re.compile("/pause")) as sent:
        page.get_by_role("button", name="Win").click()
    assert sent.value.status == 403
    wait_until(lambda: acme.client.get("/api/limits").json()["queue"]["paused"] is False, "a queue that is not paused")
