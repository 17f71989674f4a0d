"""A real Chromium, and tabs in it that are signed in to the stack's console."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response, sync_playwright

from tests.conftest import Tenant

_NAMES = ("chromium", "chromium-browser", "google-chrome")


# For a file and not for the run: while Playwright runs, its event loop is that of the thread, and no other can run.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Start the Chromium of the system; without one the tests are skipped."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        pytest.skip("no Chromium: install the package chromium, or name a binary in CHROMIUM")
    with sync_playwright() as playwright:
        # Its sandbox needs rights that a container does not give, and root has none.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@dataclass
class Tab:
    """A page of a browser, and everything that went wrong in it."""

    page: Page
    url: str
    faults: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    """Hosts that may be asked in addition to our own."""
    expected: set[int] = field(default_factory=set)
    """Statuses of answers that are no fault in this test."""

    def watch(self) -> "Tab":
        """Note each message of the console, error of a script and request to another host."""
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        self.page.on("request", self._asked)
        self.page.on("response", self._answered)
        return self

    def _said(self, message: ConsoleMessage) -> None:
        # The browser reports each refused request as an error as well; ``_answered`` judges those.
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            self.faults.append(f"{message.type}: {message.text}")

    def _asked(self, request: Request) -> None:
        if urlsplit(request.url).netloc not in {urlsplit(self.url).netloc, *self.hosts}:
            self.faults.append(f"off-host: {request.url}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self.expected:
            self.faults.append(f"{response.status}: {response.url}")

    def go(self, path: str) -> Page:
        """Open a page below /console."""
        self.page.goto(f"{self.url}/console{path}")
        return self.page


Tabs = Callable[..., Tab]


@pytest.fixture
def tabs(chromium: Browser, acme: Tenant) -> Iterator[Tabs]:
    """Return a maker of tabs: ``tabs("owner")`` is signed in. Each has a browser's memory of its own, or a given one.

    After the test no tab may have a fault.
    """
    made: list[Tab] = []
    contexts: list[BrowserContext] = []
    url = str(acme.client.base_url).rstrip("/")

    def make(role: str | None = "owner", context: BrowserContext | None = None, width: int = 1280) -> Tab:
        if context is None:
            context = chromium.new_context(viewport={"width": width, "height": 850})
            contexts.append(context)
        tab = Tab(context.new_page(), url).watch()
        made.append(tab)
        if role is not None:
            link = acme.client.post("/api/portal-links", json={"role": role, "member": "Ann"})
            tab.page.goto(link.json()["url"])
            tab.page.get_by_role("button", name="Open the console").click()
            tab.page.get_by_role("heading", name="Overview").wait_for()
        return tab

    yield make
    faults = [fault for tab in made for fault in tab.faults]
    for context in contexts:
        context.close()
    assert faults == []
