"""Lint ``openapi.yaml`` with redocly and spectral, which ``npm ci --prefix scripts/openapi_linters`` installs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from scripts.stack.console import say

_ROOT: Final = Path(__file__).parent.parent
_LINTERS: Final = _ROOT / "scripts" / "openapi_linters"
_BINARIES: Final = _LINTERS / "node_modules" / ".bin"
# Both fail on warnings, too; neither asks the network whether there is a newer version, or tells who uses it.
_COMMANDS: Final = (
    ("redocly", "lint", "--config", str(_LINTERS / "redocly.yaml"), "--max-problems", "100"),
    ("spectral", "lint", "--ruleset", str(_LINTERS / "spectral.yaml"), "--fail-severity", "hint"),
)
_WARNINGS: Final = re.compile(r"You have \d+ warning")
_QUIET: Final = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "NO_COLOR": "1"}


def main(document: Path = _ROOT / "openapi.yaml") -> int:
    """Run both linters; return 1 if one of them finds anything. Where they are missing, say so and return 0."""
    if missing := _missing():
        say(f"skipped: {missing}")
        return 0
    failed = [command[0] for command in _COMMANDS if not _passes(command, document)]
    return int(bool(failed))


def _missing() -> str:
    if shutil.which("node") is None:
        return "there is no node, with which redocly and spectral run"
    names = [name for name, *_ in _COMMANDS if not (_BINARIES / name).exists()]
    return f"{' and '.join(names)} not installed: npm ci --prefix scripts/openapi_linters" if names else ""


def _passes(command: tuple[str, ...], document: Path) -> bool:
    name, *arguments = command
    done = subprocess.run(
        [_BINARIES / name, *arguments, document],
        cwd=_LINTERS,
        env=os.environ | _QUIET,
        check=False,
        capture_output=True,
        text=True,
    )
    output = done.stdout + done.stderr
    # redocly ends with 0 after warnings, so its summary is read as well.
    is_clean = done.returncode == 0 and not _WARNINGS.search(output)
    if not is_clean:
        say(output)
    say(f"{name}: {'no error, no warning' if is_clean else 'FAILED'}")
    return is_clean


if __name__ == "__main__":
    sys.exit(main())
