"""The operator's process on the shared stack, and browsers without scripts that are signed in to it."""

import itertools
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from tests.console.conftest import PlainBrowser, browsers  # noqa: F401 browsers of the tenant's console

_HOSTS = itertools.count(2)
Admin = Callable[..., "subprocess.CompletedProcess[str]"]


class OperatorBrowser(PlainBrowser):
    """A browser whose pages are at the root."""

    prefix = ""

    def open_link(self, url: str) -> httpx.Response:
        """Open a link that signs in, and press its button."""
        path = str(httpx.URL(url).path)
        self.get(path)
        return self.post(path)


@pytest.fixture
def make_link(admin: Admin, operator_url: str) -> Callable[[], str]:
    """Return a maker of links that sign an operator in."""

    def make() -> str:
        done = admin("console-link", "--operator", "--url", operator_url, "--json")
        assert done.returncode == 0, done.stderr
        return str(json.loads(done.stdout.splitlines()[-1])["url"])

    return make


@pytest.fixture
def visitors(operator_url: str) -> Iterator[Callable[[], OperatorBrowser]]:
    """Return a maker of browsers, each at an address of its own: links are limited for each."""
    with ExitStack() as closing:

        def make() -> OperatorBrowser:
            transport = httpx.HTTPTransport(local_address=f"127.9.0.{next(_HOSTS) % 250 + 1}")
            client = httpx.Client(base_url=operator_url, transport=transport, timeout=30)
            return OperatorBrowser(closing.enter_context(client))

        yield make


@pytest.fixture
def operator(visitors: Callable[[], OperatorBrowser], make_link: Callable[[], str]) -> OperatorBrowser:
    """Return a browser that is signed in."""
    browser = visitors()
    page = browser.open_link(make_link())
    assert "<h1>Overview</h1>" in page.text, page.text
    return browser
