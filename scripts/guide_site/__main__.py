"""Builds the documentation site: ``scripts/guide [--output FOLDER]``. Each warning is an error."""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from scripts.guide_site import finishing, sources_digest, staging
from scripts.guide_site.books import ROOT

_SPHINX: Final = ("-m", "sphinx", "--builder", "html", "--fail-on-warning", "--keep-going", "--quiet", "--color")


class BuildFailedError(Exception):
    """Sphinx has found a mistake, which it has printed."""


def build(output: Path) -> None:
    """Build the site in a new folder, and put it in the place of the old one."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".guide-") as scratch:
        pages, site = Path(scratch) / "pages", Path(scratch) / "site"
        staging.stage(pages)
        line = [sys.executable, "-P", *_SPHINX, "--conf-dir", str(Path(__file__).parent), str(pages), str(site)]
        if subprocess.run(line, check=False).returncode:
            raise BuildFailedError("the guide was not built: what is wrong stands above")
        finishing.finish(site)
        sources_digest.write(site)
        _replace(site, output, Path(scratch) / "old")


def _replace(site: Path, output: Path, old: Path) -> None:
    # Two renames: a reader finds the old site or the new one, and for an instant none.
    if output.exists():
        output.replace(old)
    site.replace(output)


def main() -> int:
    """Build the site, or with ``--check`` only find out whether it can be built."""
    parser = argparse.ArgumentParser(prog="scripts/guide", description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / ".data" / "guide", help="default: .data/guide")
    parser.add_argument("--check", action="store_true", help="build it and throw it away")
    given = parser.parse_args()
    try:
        if given.check:
            with tempfile.TemporaryDirectory() as folder:
                build(Path(folder) / "guide")
        else:
            build(given.output.absolute())
            print(f"Built {given.output}")
    except (BuildFailedError, finishing.UnfinishedSiteError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
