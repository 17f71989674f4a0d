"""Live pages in a real browser: when they refresh, and when they leave it."""

import re

from playwright.sync_api import Page, Request, expect

from tests.browser.conftest import Tabs
from tests.conftest import Tenant

_STORM = """() => {
    const channel = new BroadcastChannel(`console-${document.body.dataset.session}`);
    setInterval(() => channel.postMessage({kind: "event", event: {type: "task.succeeded", data: {}}}), 20);
}"""


def _is_refresh(request: Request) -> bool:
    return "x-console-live" in request.headers


def _hide(page: Page, *, is_hidden: bool) -> None:
    """Let the page believe that its tab is hidden or shown: a headless browser shows every tab."""
    page.evaluate(
        "hidden => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});"
        " document.dispatchEvent(new Event('visibilitychange')); }",
        is_hidden,
    )


def _top(page: Page, element_id: str) -> float:
    """Return where an element is in the window, in pixels."""
    return float(page.evaluate("id => document.getElementById(id).getBoundingClientRect().top", element_id))


def test_events_that_never_stop_do_not_put_the_refresh_off(tabs: Tabs):
    page = tabs("viewer").go("/tasks")
    page.evaluate(_STORM)
    for _ in range(2):
        with page.expect_request(_is_refresh, timeout=15_000):
            pass


def test_a_hidden_tab_and_a_paused_one_ask_for_nothing(tabs: Tabs, acme: Tenant):
    first = tabs("viewer")
    hidden, shown = first.go("/tasks"), tabs(None, first.page.context).go("/tasks")
    asked: list[str] = []
    hidden.on("request", lambda request: asked.append(request.url))
    for stop, resume in (
        (lambda: _hide(hidden, is_hidden=True), lambda: _hide(hidden, is_hidden=False)),
        (lambda: hidden.keyboard.press("."), lambda: hidden.keyboard.press(".")),
    ):
        stop()
        # What was under way when it stopped may still come.
        with shown.expect_request(_is_refresh, timeout=15_000):
            pass
        asked.clear()
        # The other tab has refreshed twice: so would this one have.
        for _ in range(2):
            with shown.expect_request(_is_refresh, timeout=15_000):
                pass
        # The stream is that of the browser, and this tab may be the one that holds it for all.
        assert [url for url in asked if "/console/live" not in url] == []
        with hidden.expect_request(_is_refresh, timeout=15_000):
            resume()


def test_a_list_keeps_its_scroll_and_selection_while_it_changes(tabs: Tabs, acme: Tenant):
    for _ in range(30):
        acme.submit(task="echo", payload=1, tags=["scrolled"], delay_seconds=3600)
    page = tabs("viewer").go("/tasks?tag=scrolled")
    rows = page.locator("tr[data-row]")
    kept = rows.nth(10)
    row_id = kept.get_attribute("id")
    page.evaluate("window.scrollTo(0, 400)")
    kept.locator(".what a").first.evaluate("element => getSelection().selectAllChildren(element)")
    assert page.evaluate("window.scrollY") > 0
    place = _top(page, str(row_id))
    newest = acme.submit(task="echo", payload=1, tags=["scrolled"], delay_seconds=3600)
    expect(page.locator(f"#task-{newest}")).to_be_attached(timeout=20_000)
    # A row more is above it, and the person sees none of that: the browser scrolls by its height.
    assert abs(_top(page, str(row_id)) - place) < 1
    assert page.evaluate("String(getSelection())") == "echo"
    chosen = page.evaluate("getSelection().anchorNode.parentElement.closest('tr').id")
    assert re.fullmatch("task-[0-9a-f-]{36}", chosen) and chosen == row_id
