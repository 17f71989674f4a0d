"""Which requirements files there are, and the stamp that tells which one a virtual environment holds."""

import hashlib
import json
import platform
import subprocess
import sys
from pathlib import Path

from scripts.stack import files

RUNTIME = "requirements.txt"
EMBEDDED = "requirements-embedded.txt"
DEVELOPMENT = "requirements-dev.txt"
_SMALLEST_FIRST = (RUNTIME, EMBEDDED, DEVELOPMENT)


def is_installed(root: Path, wanted: str) -> bool:
    """Tell whether the environment holds the wanted file, or a larger one, as it is now."""
    if _interruption(root).exists():
        return False
    stamp = files.read_json(_stamp(root))
    name = stamp.get("requirements")
    if name not in _SMALLEST_FIRST[_SMALLEST_FIRST.index(wanted) :]:
        return False
    return bool(stamp == _expected(root, name))


def record(root: Path, installed: str) -> None:
    """Write the stamp."""
    _stamp(root).write_text(json.dumps(_expected(root, installed)))
    _interruption(root).unlink(missing_ok=True)


def begin(root: Path) -> None:
    """Leave a mark that an installation is under way: after a kill, packages may look installed that are not."""
    _stamp(root).unlink(missing_ok=True)
    _interruption(root).touch()


def give_up(root: Path) -> None:
    """Take the mark away: the installer ended by itself, and left nothing by halves."""
    _interruption(root).unlink(missing_ok=True)


def was_interrupted(root: Path) -> bool:
    """Tell whether an installation was killed."""
    return _interruption(root).exists()


def count(root: Path, name: str) -> int:
    """Count the packages of a file."""
    return sum("==" in line for line in (root / name).read_text().splitlines() if not line.startswith((" ", "#")))


def venv_python(root: Path) -> Path:
    """Return where the environment's interpreter is."""
    return root / ".venv" / "bin" / "python"


def version_of(python: Path) -> str | None:
    """Ask an interpreter for its version; None when it does not run."""
    if Path(sys.prefix) == python.parent.parent:
        return platform.python_version()
    try:
        answer = subprocess.run(
            [python, "-IS", "-c", "import platform; print(platform.python_version())"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    return answer.stdout.strip() or None


def _expected(root: Path, name: str) -> dict[str, str | None]:
    digest = hashlib.sha256((root / name).read_bytes()).hexdigest()
    return {"python": version_of(venv_python(root)), "requirements": name, "sha256": digest}


def _stamp(root: Path) -> Path:
    return root / ".venv" / "requirements-stamp.json"


def _interruption(root: Path) -> Path:
    return root / ".venv" / "installing"
