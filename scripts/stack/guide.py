"""Builds the documentation that the api of the stack serves, where the tool for it is installed."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from scripts.guide_site import sources_digest
from scripts.guide_site.books import ROOT
from scripts.stack import files
from scripts.stack.console import complain, say
from scripts.stack.stackfile import Stack


def folder(stack: Stack) -> Path:
    """Name the folder from which the api serves it."""
    return Path(os.environ.get("GUIDE_FOLDER") or stack.data_dir / "guide").absolute()


def is_built(stack: Stack) -> bool:
    """Return whether the api has pages to serve."""
    return os.environ.get("GUIDE") != "off" and (folder(stack) / "index.html").exists()


def build(stack: Stack) -> None:
    """Build it, if the pages have changed. A stack without it runs all the same, so what goes wrong is only said."""
    # The installed package has no pages, and a user's environment no Sphinx.
    is_possible = (ROOT / "docs").is_dir() and importlib.util.find_spec("sphinx") is not None
    if os.environ.get("GUIDE") == "off" or not is_possible or sources_digest.is_current(folder(stack)):
        return
    say("Building the guide ...")
    log = stack.data_dir / "logs" / "guide.log"
    line = [sys.executable, "-P", "-m", "scripts.guide_site", "--output", str(folder(stack))]
    with files.append_private(log) as output:
        code = subprocess.run(line, cwd=ROOT, stdout=output, stderr=output, check=False).returncode
    if code:
        complain(f"the guide was not built: see {log}")
