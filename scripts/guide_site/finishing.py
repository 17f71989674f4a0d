"""Complete what Sphinx has built: no inline scripts and styles, the Markdown of each page, ``llms.txt``."""

import re
from hashlib import sha256
from pathlib import Path
from typing import Final

from scripts.guide_site import staging
from scripts.guide_site.books import BOOKS, ROOT, place, sources

_STYLE: Final = re.compile(r"<style>(.*?)</style>", re.DOTALL)
_THEME: Final = re.compile(r"<script>\s*document\.body\.dataset\.theme = [^<]*</script>")
# What a policy without 'unsafe-inline' would refuse.
_INLINE: Final = re.compile(r"<script(?![^>]* src=)|<style|<[a-z][^>]* (?:style|on[a-z]+)=", re.IGNORECASE)
_ROW: Final = re.compile(r"^\| \[[^\]]+\]\((?P<page>[^)#]+)\) \| (?P<says>.+) \|$", re.MULTILINE)
_LLMS: Final = """# Task Queue Worker API

> A multi-tenant HTTP API for long-running tasks: submit, follow, fetch results, get signed webhooks. Accepted means it
> will finish.

Each page is Markdown here; the same address with `.html` is for people. The API's own document is `../openapi.json`.
"""


_REPLACED: Final = {
    'style="display: none;"': 'class="icon-sheet"',
    'style="opacity: 50%"': 'opacity="0.5"',
    # A heading needs a level, and what scrolls must be reached by keyboard.
    'class="caption" role="heading"': 'class="caption" role="heading" aria-level="2"',
    "<pre>": '<pre tabindex="0">',
    ' docutils container">': ' docutils container" tabindex="0">',
}


class UnfinishedSiteError(Exception):
    """A page of the site would not work where the api serves it, or has nobody who describes it."""


def finish(site: Path) -> None:
    """Change the pages of a site, and write the files that go with them."""
    staging.copy_files(site)
    for source in sources():
        (site / place(source)).write_text(staging.adapted(source))
    for page in site.rglob("*.html"):
        page.write_text(_finished(page, site))
    (site / "llms.txt").write_text(llms())
    for needless in (*site.rglob("*.map"), *site.rglob(".buildinfo")):
        needless.unlink()


def _finished(page: Path, site: Path) -> str:
    root = "../" * (len(page.relative_to(site).parts) - 1)
    text = _THEME.sub(f'<script src="{root}_static/theme.js"></script>', page.read_text())
    text = _STYLE.sub(lambda found: _sheet(found[1], site, root), text)
    for before, after in _REPLACED.items():
        text = text.replace(before, after)
    if page.name == "search.html":
        text = text.replace('<div id="search-results">', '<h1>Search</h1>\n<div id="search-results">')
    else:
        text = _with_twin(text, f"{page.stem}.md")
    if found := _INLINE.search(text):
        raise UnfinishedSiteError(f"{page.name} has an inline script or style: {text[found.start() :][:80]}")
    return text


def _sheet(style: str, site: Path, root: str) -> str:
    """Move a style into a file, and return the element that loads it."""
    name = f"{sha256(style.encode()).hexdigest()[:12]}.css"
    (site / "_static" / name).write_text(style)
    return f'<link rel="stylesheet" href="{root}_static/{name}">'


def _with_twin(text: str, name: str) -> str:
    head = f'<link rel="alternate" type="text/markdown" href="{name}">\n</head>'
    link = f'<a class="as-markdown" href="{name}">This page as Markdown</a>'
    details = '<div class="left-details">'
    return text.replace("</head>", head, 1).replace(details, f"{details}{link}", 1)


def llms() -> str:
    """Return the list of all pages for programs that read."""
    index = (ROOT / "docs" / "README.md").read_text()
    says = {str((ROOT / "docs" / row["page"]).resolve().relative_to(ROOT)): row["says"] for row in _ROW.finditer(index)}
    parts = [_LLMS]
    for book in BOOKS:
        lines = "\n".join(f"- [{title(page)}]({place(page)}): {_described(page, says)}" for page in book.pages)
        parts.append(f"\n## {book.title}\n{lines}\n")
    return "".join(parts)


def _described(page: str, says: dict[str, str]) -> str:
    if page not in says:
        raise UnfinishedSiteError(f"{page} is not in the tables of docs/README.md")
    return says[page]


def title(source: str) -> str:
    """Return the heading of a page."""
    found = re.search(r"^# (.+)$", (ROOT / source).read_text(), re.MULTILINE)
    if found is None:
        raise UnfinishedSiteError(f"{source} has no heading")
    return found[1]
