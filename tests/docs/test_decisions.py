"""Every decision has the same parts, in the same order."""

import re
from pathlib import Path

import pytest

from tests.docs import pages

DECISIONS = sorted((pages.ROOT / "docs" / "decisions").glob("0*.md"))
# Evidence is left out where the alternatives have all the figures.
PARTS = ["Context", "Decision", "Alternatives", "Evidence", "Consequences"]


def _parts(text: str) -> list[str]:
    return re.findall(r"^## (.+)$", text, re.MULTILINE)


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_has_a_status_and_the_same_parts(page: Path):
    text = page.read_text()
    assert re.search(r"^\*\*Status\.\*\* (Accepted|Superseded by \[\d+\]\(\S+\))\.$", text, re.MULTILINE)
    found = _parts(text)
    assert [part for part in PARTS if part in found or part != "Evidence"] == found


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_every_file_that_a_decision_names_exists(page: Path):
    named = re.findall(r"`((?:app|tests|migrations|scripts|docs)/[\w./]+)`", page.read_text())
    # The first sketch had other files, which the first decision names without app/.
    assert [path for path in named if not (pages.ROOT / path).exists()] == []


def test_a_part_that_is_missing_would_be_found():
    assert _parts("# 1\n\n## Context\n\ntext\n\n## Consequences\n") == ["Context", "Consequences"]
