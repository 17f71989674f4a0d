"""Builds a release into a folder: ``scripts/release [--output FOLDER]``. Nothing is published."""

import argparse
import hashlib
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from scripts import product_wheel, sdk_python
from scripts.sdk_generator import modules, npm_package, wheel
from scripts.stack.console import say

_ROOT: Final = Path(__file__).resolve().parent.parent
_DOCUMENT: Final = _ROOT / "openapi.yaml"
CHECKSUMS: Final = "SHA256SUMS"
CHANGES: Final = "CHANGES.md"


def build(output: Path) -> list[Path]:
    """Write the packages, their checksums and the changes into a new folder; return the paths."""
    if output.exists() and not (output / CHECKSUMS).is_file():
        sys.exit(f"{output} exists and is no release: name another --output")
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent) as scratch:
        folder = Path(scratch) / "release"
        folder.mkdir()
        packages = sorted([product_wheel.write(folder), *_clients(folder)])
        (folder / CHANGES).write_text(changes((_ROOT / "CHANGELOG.md").read_text()))
        sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in packages]
        (folder / CHECKSUMS).write_text("".join(sums))
        if output.exists():
            shutil.rmtree(output)
        folder.replace(output)
    return sorted(output.iterdir())


def _clients(folder: Path) -> list[Path]:
    described = modules.Document(sdk_python.read(_DOCUMENT))
    content, about = sdk_python.files(described), sdk_python.about()
    return [
        wheel.write(folder, content, described.version, *about),
        wheel.write_source(folder, content, described.version, *about),
        npm_package.write(folder, npm_package.files(described), described.version),
    ]


def changes(changelog: str) -> str:
    """Return the first section of a changelog: what is new in this release."""
    sections = re.split(r"^## ", changelog, flags=re.MULTILINE)
    if len(sections) < 2 or not sections[1].partition("\n")[2].strip():  # noqa: PLR2004 the text before the first
        sys.exit("CHANGELOG.md has no section for this release")
    return f"## {sections[1].rstrip()}\n"


def main() -> None:
    """Read the arguments and say what was made."""
    parser = argparse.ArgumentParser(prog="scripts/release", description="Build the packages of a release.")
    about = "a new folder, or that of an earlier release (default: dist/release)"
    parser.add_argument("--output", type=Path, default=_ROOT / "dist" / "release", metavar="FOLDER", help=about)
    asked: Any = parser.parse_args()
    for path in build(asked.output.absolute()):
        say(f"Wrote {path}")


if __name__ == "__main__":
    main()
