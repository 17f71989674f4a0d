"""The documentation site: built from docs/ as it is, without a dead link, and read in a real browser."""

import posixpath
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import expect

from scripts.guide_site import books, finishing, sources_digest, staging
from tests.browser.conftest import Tabs
from tests.browser.test_console import _AXE, _TOO_WIDE, AXE
from tests.conftest import ROOT
from tests.docs import pages


@pytest.fixture(scope="module")
def site(environment: dict[str, str]) -> Iterator[Path]:
    """Build the site where the stack's api serves it."""
    made = Path(environment["GUIDE_FOLDER"])
    line = [sys.executable, "-P", "-m", "scripts.guide_site", "--output", str(made)]
    done = subprocess.run(
        line, env=environment | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode == 0, done.stdout + done.stderr
    yield made
    shutil.rmtree(made)


class Found(HTMLParser):
    """Links, names and headings of a page."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.names: set[str] = set()
        self.headings = 0
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.headings += tag == "h1"
        self.names |= {name for name in (given.get("id"),) if name}
        self.links += [link for link in (given.get("href"), given.get("src")) if link]


def dead_links(site: Path) -> list[str]:
    """Return the links of a site's pages that lead to no file of it, or to no name in one."""
    found = {str(page.relative_to(site)): Found(page) for page in site.rglob("*.html")}
    dead = []
    for name, page in found.items():
        for link in page.links:
            parts = urlsplit(link)
            target = (
                posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(parts.path))) if parts.path else name
            )
            # The api serves its document itself; the data of a picture is no address.
            if parts.scheme or target == "../openapi.json":
                continue
            exists = (site / target).is_file()
            if not exists or (parts.fragment and target in found and parts.fragment not in found[target].names):
                dead.append(f"{name}: {link}")
    return dead


def test_every_link_leads_somewhere_and_every_page_has_one_heading_and_its_markdown(site: Path):
    assert dead_links(site) == []
    built = {page.relative_to(site).with_suffix(".md") for page in site.rglob("*.html")} - {Path("search.md")}
    assert built == {Path(books.place(source)) for source in books.sources()}
    for page in site.rglob("*.html"):
        assert Found(page).headings == 1, page.name
    for source in books.sources():
        text = (site / books.place(source)).read_text()
        assert text == staging.adapted(source)
        assert text.startswith("# ")
    listed = re.findall(r"\]\((.+)\)", (site / "llms.txt").read_text())
    assert listed == [books.place(page) for book in books.BOOKS for page in book.pages]


def test_a_dead_link_would_be_found(tmp_path: Path):
    (tmp_path / "a.html").write_text('<h1 id="b">A</h1><a href="#b"></a><a href="#c"></a><img src="d.png">')
    assert dead_links(tmp_path) == ["a.html: #c", "a.html: d.png"]


def test_a_site_knows_from_what_it_was_built(site: Path, tmp_path: Path):
    assert sources_digest.is_current(site)
    (tmp_path / "built-from.txt").write_text("other")
    assert not sources_digest.is_current(tmp_path)
    assert not sources_digest.is_current(tmp_path / "none")


def test_what_a_strict_policy_would_refuse_ends_the_build(tmp_path: Path):
    for text in ("<script>alert(1)</script>", '<p style="color: red">', '<p onclick="x()">'):
        (tmp_path / "a.html").write_text(text)
        with pytest.raises(finishing.UnfinishedSiteError, match=r"a\.html has an inline"):
            finishing._finished(tmp_path / "a.html", tmp_path)


def test_each_page_of_the_docs_is_in_one_book():
    in_books = [page for book in books.BOOKS for page in book.pages]
    others = {"docs/README.md", *(pages.name(page) for page in (ROOT / "docs" / "decisions").glob("0*.md"))}
    assert sorted(in_books) == sorted(set(books.sources()) - others)


def test_new_pages_are_short_and_begin_with_what_they_are_for():
    for page in [*(ROOT / "docs" / "guides").glob("*.md"), *(ROOT / "docs" / f"{name}.md" for name in SHORT)]:
        text = page.read_text()
        assert len(text.split()) <= 1_200, page.name
        first = text.splitlines()[1]
        assert first and not first.startswith(("#", "|", "`", "<")), page.name


SHORT = ("recipes", "from-celery-and-rq", "troubleshooting", "faq", "README")


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
def test_pages_are_read_and_searched_without_another_host(tabs: Tabs, scheme: Literal["light", "dark"], width: int):
    tab = tabs(None, width=width)
    page = tab.page
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{tab.url}/guide/")
    expect(page.get_by_role("heading", name="Documentation", level=1)).to_be_visible()
    for path in ("/guide/guides/orders.html", "/guide/recipes.html"):
        page.goto(f"{tab.url}{path}")
        assert not page.evaluate(_TOO_WIDE), path
        page.evaluate(AXE.read_text())
        assert page.evaluate(_AXE, {}) == [], path
    page.goto(f"{tab.url}/guide/search.html?q=snooze")
    expect(page.locator("#search-results").get_by_role("link", name="How attempts end")).to_be_visible(timeout=30_000)
