"""The commands on the pages are run as a new user would paste them, and print what the pages promise."""

from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs import pages
from tests.docs.conftest import Checkout, hold

GUIDES = ("guides/report", "guides/inference", "guides/import", "guides/orders", "guides/nightly", "recipes")
# The quickstart is last: it stops the stack.
RUN = [
    ROOT / "README.md",
    *(
        ROOT / "docs" / f"{name}.md"
        for name in ("http", "events", "schedules", "remote-workers", "errors", *GUIDES, "quickstart")
    ),
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", RUN, ids=pages.name)
def test_the_commands_of_a_page_do_what_it_says(checkout: Checkout, page: Path):
    checkout.up()
    checkout.run(page)


def test_hardly_any_command_is_kept_from_being_run():
    marks = {page.stem: [fence.mark for fence in pages.fences(page, "sh")] for page in RUN}
    left_out = {page: sum(mark.startswith("not run: ") for mark in found) for page, found in marks.items()}
    assert {page: number for page, number in left_out.items() if number} == {"README": 2, "events": 1, "quickstart": 2}


def test_a_promise_that_is_not_kept_is_found():
    hold("make\n# → one …\n# → two", "one 1\nand two\n")
    for output in ("one\n2", "two\none 1\n", ""):
        with pytest.raises(AssertionError, match="promised"):
            hold("# → one …\n# → two", output)
