"""Tell whether a built site is that of the pages as they are now."""

from hashlib import sha256
from pathlib import Path
from typing import Final

from scripts.guide_site.books import ROOT

_FILE: Final = "built-from.txt"


def write(site: Path) -> None:
    """Note in a site from what it was built."""
    (site / _FILE).write_text(_digest())


def is_current(site: Path) -> bool:
    """Return whether a site was built from the pages as they are now."""
    try:
        return (site / _FILE).read_text() == _digest()
    except OSError:
        return False


def _digest() -> str:
    total = sha256()
    folders = (path for folder in ("docs", "scripts/guide_site") for path in (ROOT / folder).rglob("*"))
    for path in sorted([*folders, ROOT / "README.md", ROOT / "CHANGELOG.md"]):
        if path.is_file() and path.suffix != ".pyc":
            data = path.read_bytes()
            total.update(f"{path.relative_to(ROOT)} {len(data)} ".encode() + data)
    return total.hexdigest()
