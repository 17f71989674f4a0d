"""Everything that a person opens, behind a proxy that ends TLS and serves the API under a prefix."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from scripts.stack import ports
from tests.browser.conftest import Tab
from tests.browser.prefix_proxy import PrefixProxy
from tests.browser.test_reference import authorize, send_example
from tests.conftest import Stack, Tenant, wait_until


@pytest.fixture
def url(stack: Stack, tmp_path: Path) -> Iterator[str]:
    """The address of an api process with ``--root-path``, as the browser sees it."""
    port = ports.free_port()
    stack.start(
        "api-prefix", "uvicorn", "app.main:app", "--port", str(port), "--root-path", "/queue",
        "--http", "app.http.protocol_limits:GuardedProtocol",
    )  # fmt: skip
    proxy = PrefixProxy(port, "/queue", tmp_path)
    try:
        made = f"https://127.0.0.1:{proxy.port}/queue"
        wait_until(lambda: _is_up(made), "an api process behind the proxy")
        yield made
    finally:
        proxy.close()
        stack.stop("api-prefix")


def _is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", verify=False).status_code == 200
    except httpx.HTTPError:
        return False


def test_the_console_and_the_reference_work_under_a_prefix(url: str, chromium: Browser, acme: Tenant):
    headers = {"Authorization": f"Bearer {acme.api_key}"}
    made = httpx.post(f"{url}/api/portal-links", json={"role": "owner"}, headers=headers, verify=False).json()
    assert made["url"].startswith(f"{url}/console/link/")
    context = chromium.new_context(ignore_https_errors=True)
    try:
        tab = Tab(context.new_page(), url).watch()
        page = tab.page
        page.goto(made["url"])
        page.get_by_role("button", name="Open the console").click()
        expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        [cookie] = [each for each in context.cookies() if each["name"].endswith("console")]
        assert (cookie["name"], cookie["path"]) == ("__Secure-console", "/queue/console")
        assert cookie["secure"] and cookie["httpOnly"]
        expect(page.locator(".live")).to_have_attribute("data-state", "live", timeout=15_000)
        page.keyboard.press("g")
        page.keyboard.press("s")
        expect(page.get_by_role("heading", name="Submit a task")).to_be_visible()
        page.get_by_role("button", name="Submit the task").click()
        expect(page.locator("#task .state-row .status")).to_have_text("Success", timeout=30_000)
        assert page.url.startswith(f"{url}/console/tasks/")
        page.goto(f"{url}/")
        expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        # Not built here: what is said of that, and where the guide is, has the prefix too.
        assert httpx.get(f"{url}/guide", verify=False).headers["Location"] == "/queue/guide/"
        assert "(/queue/api/me)" in httpx.get(f"{url}/llms.txt", verify=False).text
        assert "scripts/guide" in httpx.get(f"{url}/guide/", verify=False).json()["detail"]
        page.goto(f"{url}/docs")
        authorize(page, acme.api_key)
        acme.result(send_example(page, "echo"))
        assert tab.faults == []
    finally:
        context.close()
