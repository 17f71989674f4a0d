"""Every link leads somewhere."""

from pathlib import Path

import pytest

from tests.docs import pages


@pytest.mark.parametrize("page", pages.pages(), ids=pages.name)
def test_every_link_leads_to_a_file_and_a_heading(page: Path):
    for target in pages.links(page):
        if target.startswith(("https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        assert not anchor or anchor in pages.anchors(linked), target


def test_every_page_of_the_documentation_is_in_its_index():
    index = pages.ROOT / "docs" / "README.md"
    linked = {(index.parent / target).resolve() for target in pages.links(index)}
    assert {page for page in index.parent.glob("*.md") if page != index} <= linked
    decisions = index.parent / "decisions"
    linked = {(decisions / target).resolve() for target in pages.links(decisions / "README.md")}
    assert set(decisions.glob("0*.md")) == linked
