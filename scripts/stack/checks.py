"""``scripts/check``: all that can be checked without running the application, and a summary."""

import subprocess
import sys
import time
from pathlib import Path

from scripts.stack.console import say

ROOT = Path(__file__).resolve().parents[2]
_LINT_IMPORTS = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"

_CHECKS = {
    "format": ["-m", "ruff", "format", "--check", "."],
    "lint": ["-m", "ruff", "check", "."],
    "types": ["-m", "mypy"],
    "import contracts": ["-c", _LINT_IMPORTS],
    "openapi.yaml": ["-m", "scripts.openapi_document", "--check"],
    "compatible with the release": ["-m", "scripts.openapi_document", "--compatible"],
    "the guide": ["-m", "scripts.guide_site", "--check"],
    "openapi linters": ["-m", "scripts.openapi_lint"],
    "migrations": ["-m", "pytest", "tests/contract/test_migrations.py", "-q"],
}


def main() -> int:
    """Run every check, also after one has failed."""
    results = {name: _run(name, arguments) for name, arguments in _CHECKS.items()}
    say("")
    for name, (code, seconds) in results.items():
        say(f"{'ok    ' if code == 0 else 'FAILED'}  {name} ({seconds:.1f} s)")
    return int(any(code for code, _ in results.values()))


def _run(name: str, arguments: list[str]) -> tuple[int, float]:
    say(f"--- {name}")
    started = time.monotonic()
    # The interpreter's own modules, not .venv/bin's scripts: those name the folder in which they were installed.
    code = subprocess.run([sys.executable, "-P", *arguments], cwd=ROOT, check=False).returncode
    return code, time.monotonic() - started


if __name__ == "__main__":
    sys.exit(main())
