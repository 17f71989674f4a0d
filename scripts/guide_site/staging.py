"""Copy the pages into a folder as the site has them: other names, other links, and the table of contents."""

import posixpath
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from scripts.guide_site.books import BOOKS, ROOT, place, sources

_FENCE: Final = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"(?P<before>!?\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\()(?P<target>[^)\s]+)(?P<after>\))")
_IMAGE: Final = re.compile(r'(?P<before>(?:src|srcset)=")(?P<text>)(?P<target>[^"]+)(?P<after>")')
_NOTE: Final = re.compile(r"^<!-- .* -->\n", re.MULTILINE)
_DOCUMENT: Final = "openapi.yaml"
# The api serves its own document one step above the guide, also under a prefix.
_ABOVE: Final = "../openapi.json"


def stage(folder: Path) -> None:
    """Write every page, as Sphinx reads it, and the files that go with the pages into a folder."""
    copy_files(folder)
    for source in sources():
        target = folder / place(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        # Sphinx looks for every other target among the pages.
        text = adapted(source).replace(f"]({_ABOVE}", f"](api:{_ABOVE}")
        target.write_text(with_contents(source, text))


def copy_files(folder: Path) -> None:
    """Copy what pages show or link to: pictures and examples."""
    for path in (ROOT / "docs").rglob("*"):
        if path.is_file() and path.suffix != ".md":
            target = folder / path.relative_to(ROOT / "docs")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def adapted(source: str) -> str:
    """Return the text of a page with the links that it has on the site, and without notes for tests."""
    # A capturing split: the pieces at odd places are fences, which stay as they are.
    pieces = _FENCE.split(_NOTE.sub("", (ROOT / source).read_text()))
    return "".join(piece if odd % 2 else _with_links(source, piece) for odd, piece in enumerate(pieces))


def with_contents(source: str, text: str) -> str:
    """Return the text of an index with the table of contents from which the site makes its navigation."""
    if source == "docs/README.md":
        return text + "".join(_contents(book.title, [place(page) for page in book.pages]) for book in BOOKS)
    if source == "docs/decisions/README.md":
        records = sorted(path.name for path in (ROOT / "docs" / "decisions").glob("0*.md"))
        return text + _contents("Decisions", records)
    return text


def _contents(title: str, pages: list[str]) -> str:
    lines = "\n".join(pages)
    return f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n:maxdepth: 2\n\n{lines}\n```\n"


def _with_links(source: str, text: str) -> str:
    replace = _replacing(source)
    return _IMAGE.sub(replace, _LINK.sub(replace, text))


def _replacing(source: str) -> Callable[[re.Match[str]], str]:
    def replace(match: re.Match[str]) -> str:
        target = site_target(source, match["target"])
        # A file of the code is no page of the site, so its name remains.
        return match["text"] if target is None else f"{match['before']}{target}{match['after']}"

    return replace


def site_target(source: str, target: str) -> str | None:
    """Return what a link of a page leads to on the site; None for a file of the repository that is not there."""
    if re.match(r"[a-z]+:|#", target):
        return target
    path, _, anchor = target.partition("#")
    linked = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    if linked == _DOCUMENT:
        return f"{'../' * place(source).count('/')}{_ABOVE}"
    if linked.endswith(".md") and linked in sources():
        linked = f"docs/{place(linked)}"
    if not linked.startswith("docs/") or (ROOT / linked).is_dir():
        return None
    relative = posixpath.relpath(linked.removeprefix("docs/"), posixpath.dirname(place(source)) or ".")
    return f"{relative}#{anchor}" if anchor else relative
