"""A page can be read in one go, and its first sentence says what it is for."""

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs import pages

WORDS = 1200
"""What a page may have at most. Commands and programs in fences are not counted, nor signs that are no words."""

REFERENCES = {
    "CHANGELOG.md",
    "docs/benchmarks.md",
    "docs/commands.md",
    "docs/http.md",
    "docs/metrics.md",
    "docs/settings.md",
}
"""Pages in which readers look things up, and which may be longer. Decisions are another kind of page."""

READ = [page for page in pages.pages() if page.parent == ROOT or ROOT / "docs" in page.parents]
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_NOTE = re.compile(r"<!--.*?-->", re.DOTALL)


def _words(text: str) -> int:
    return len([word for word in _NOTE.sub("", _FENCE.sub("", text)).split() if re.search(r"\w", word)])


def _opening(text: str) -> str:
    """Return the first paragraph below the title, which is empty where a heading, a table, a list or a fence comes first."""
    _, _, below = text.partition("\n")
    paragraph = below.strip().partition("\n\n")[0]
    return "" if re.match(r"#|\||```|<!--|- |\d+\. ", paragraph) else " ".join(paragraph.split())


@pytest.mark.parametrize("page", READ, ids=pages.name)
def test_a_page_that_is_no_reference_is_short(page: Path):
    if pages.name(page) not in REFERENCES:
        assert _words(page.read_text()) <= WORDS


@pytest.mark.parametrize("page", READ, ids=pages.name)
def test_a_page_begins_with_a_sentence_that_says_what_it_is_for(page: Path):
    text = page.read_text()
    assert text.startswith("# ")
    # A decision begins with its status, and a changelog with its newest version.
    if page.name != "CHANGELOG.md" and not page.name[:4].isdigit():
        assert re.search(r"[a-z\d`)][.:]( |$)", _opening(text)), text[:200]


def test_words_are_those_outside_of_fences():
    assert (
        _words("# A title\nOne `two` — three.\n\n| four |\n|---|\n\n```sh\nfive six\n```\n<!-- not run: why -->\n") == 6
    )


@pytest.mark.parametrize(
    "begin", ["## Heading\nText.", "| a | b |\nText.", "```sh\nls\n```", "- a list.", "1. a list."]
)
def test_a_page_without_an_opening_sentence_is_found(begin: str):
    assert _opening(f"# Title\n{begin}\n") == ""
    assert _opening(f"# Title\nIt is for you.\n\n{begin}\n") == "It is for you."
