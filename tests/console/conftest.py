"""A browser without scripts: it keeps the cookie, and sends the forms of the pages that it has read."""

import html
import itertools
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from tests.conftest import Tenant, wait_until
from tests.webhooks.conftest import (  # noqa: F401 a process that delivers, and a server that it delivers to
    customer,
    make_customer,
    neighbour,
    receiver,
    rows,
    start,
)
from tests.webhooks.history.conftest import kept  # noqa: F401 deliveries as rows

PASSWORD = "correct horse battery"
_HOSTS = itertools.count(2)
_CSRF = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


class PlainBrowser:
    """Opens pages and sends forms."""

    prefix = "/console"

    def __init__(self, client: httpx.Client) -> None:
        """``client`` has the address of the API."""
        self.client = client
        self._csrf = ""

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Open a page below /console."""
        return self._read(self.client.get(f"{self.prefix}{path}", headers=headers, follow_redirects=True))

    def post(self, path: str, **fields: Any) -> httpx.Response:
        """Send a form with the token of the page that was opened last."""
        data = {"csrf": self._csrf} | fields
        return self._read(self.client.post(f"{self.prefix}{path}", data=data, follow_redirects=True))

    def sign_in(self, email: str, password: str = PASSWORD) -> httpx.Response:
        """Sign in as a person."""
        self.get("/sign-in")
        return self.post("/sign-in", email=email, password=password)

    def open_link(self, url: str) -> httpx.Response:
        """Open a portal link, and press its button."""
        self.get(url.partition("/console")[2])
        return self.post(url.partition("/console")[2])

    def _read(self, page: httpx.Response) -> httpx.Response:
        if found := _CSRF.search(page.text):
            self._csrf = found[1]
        return page


Browsers = Callable[[], PlainBrowser]


@pytest.fixture
def browsers(acme: Tenant) -> Iterator[Browsers]:
    """Return a maker of browsers, each at an address of its own: sign-ins are limited for each."""
    with ExitStack() as stack:

        def make() -> PlainBrowser:
            number = next(_HOSTS)
            transport = httpx.HTTPTransport(local_address=f"127.8.{number // 250}.{number % 250 + 1}")
            client = httpx.Client(base_url=acme.client.base_url, transport=transport, timeout=30)
            return PlainBrowser(stack.enter_context(client))

        yield make


def add(tenant: Tenant, role: str, email: str | None = None) -> dict[str, Any]:
    """Add a member with the password of these tests."""
    body = {"email": email or f"{uuid.uuid4().hex[:10]}@example.com", "role": role, "password": PASSWORD}
    made = tenant.client.post("/api/members", json=body)
    assert made.status_code == 201, made.text
    return dict(made.json())


@pytest.fixture
def as_role(acme: Tenant, browsers: Browsers) -> Callable[[str], PlainBrowser]:
    """Return a maker of browsers that are signed in to acme with a role."""

    def make(role: str) -> PlainBrowser:
        browser, email = browsers(), add(acme, role)["email"]
        # Logins of a test before this one may still be checked: then the tenant has too many at once for a moment.
        wait_until(lambda: browser.sign_in(email).status_code != 429, "a place for a sign-in")
        page = browser.get("/")
        assert heading(page) == "Overview", page.text
        return browser

    return make


def heading(page: httpx.Response) -> str:
    """Return the one heading of the page, which is in its main part."""
    main = page.text.partition("<main")[2].partition("</main>")[0]
    found = re.findall(r"<h1>(.*?)</h1>", page.text, re.DOTALL)
    assert len(found) == 1 and f"<h1>{found[0]}</h1>" in main, page.text
    return html.unescape(found[0]).strip()
