"""The pages, and what a test needs of them: fences, tables, links, headings."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"<!-- (?P<mark>.*) -->\n\Z")
_CODE = re.compile(r"`[^`]*`")
_LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ (?P<title>.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Fence:
    """A fenced block, and the comment on the line before it.

    ``not run: why`` keeps a shell block out of the tests; ``printed by scripts/up`` stands for a line of its output;
    ``file: name.py`` is the name of a file.
    """

    language: str
    text: str
    mark: str


def pages() -> list[Path]:
    """Return every page of the repository."""
    folders = [ROOT, *(ROOT / name for name in ("docs", "app", "scripts", "tests"))]
    found = {page for folder in folders for page in (folder.glob if folder == ROOT else folder.rglob)("*.md")}
    # Not those of packages that only some tests need.
    return sorted(page for page in found if "node_modules" not in page.parts)


def name(page: Path) -> str:
    """Return a page's path in the repository."""
    return str(page.relative_to(ROOT))


def fences(page: Path, language: str) -> list[Fence]:
    """Return a page's fences of a language, in order."""
    text = page.read_text()
    found = []
    for match in _FENCE.finditer(text):
        mark = _MARK.search(text, 0, match.start())
        found.append(Fence(match["language"], match["text"], mark["mark"] if mark else ""))
    return [fence for fence in found if fence.language == language]


def files(page: Path) -> dict[str, str]:
    """Return the Python files that a page shows in fences, by the names that ``file: …`` gives them."""
    found = {fence.mark: fence.text for fence in fences(page, "python")}
    return {mark.removeprefix("file: "): text for mark, text in found.items() if mark.startswith("file: ")}


def links(page: Path) -> list[str]:
    """Return the targets of a page's links."""
    return [match["target"] for match in _LINK.finditer(_CODE.sub("", _FENCE.sub("", page.read_text())))]


def anchors(page: Path) -> set[str]:
    """Return the names by which a page's headings are linked to."""
    titles = [match["title"].lower() for match in _HEADING.finditer(_FENCE.sub("", page.read_text()))]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def table(page: Path, *columns: str) -> list[list[str]]:
    """Return the rows of the one table that begins with these columns."""
    header = "| " + " | ".join(columns) + " |"
    (found,) = [block for block in _tables(page.read_text()) if block[0].startswith(header)]
    return [[cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in found[2:]]


def _tables(text: str) -> Iterator[list[str]]:
    for match in re.finditer(r"(?:^\|.*\n)+", text, re.MULTILINE):
        yield match[0].splitlines()


def code(cell: str) -> list[str]:
    """Return what stands between backticks."""
    return re.findall(r"`([^`]+)`", cell)
