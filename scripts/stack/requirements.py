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
BENCH = "requirements-bench.txt"
_SMALLEST_FIRST = (RUNTIME, EMBEDDED, DEVELOPMENT, BENCH)


def venv_for(root: Path, wanted: str) -> Path:
    """Return the environment of a checkout for a requirements file: the bench's peers have one of their own."""
    return root / (".venv-bench" if wanted == BENCH else ".venv")


def is_installed(venv: Path, wanted: str) -> bool:
    """Tell whether the environment holds the wanted file, or a larger one, as it is now."""
    if _interruption(venv).exists():
        return False
    stamp = files.read_json(_stamp(venv))
    name = stamp.get("requirements")
    if name not in _SMALLEST_FIRST[_SMALLEST_FIRST.index(wanted) :]:
        return False
    return bool(stamp == _expected(venv, name))


def record(venv: Path, installed: str) -> None:
    """Write the stamp."""
    _stamp(venv).write_text(json.dumps(_expected(venv, installed)))
    _interruption(venv).unlink(missing_ok=True)


def begin(venv: Path) -> None:
    """Leave a mark that an installation is under way: after a kill, packages may look installed that are not."""
    _stamp(venv).unlink(missing_ok=True)
    _interruption(venv).touch()


def give_up(venv: Path) -> None:
    """Take the mark away: the installer ended by itself, and left nothing by halves."""
    _interruption(venv).unlink(missing_ok=True)


def was_interrupted(venv: Path) -> bool:
    """Tell whether an installation was killed."""
    return _interruption(venv).exists()


def count(venv: Path, name: str) -> int:
    """Count the packages of a file."""
    return sum(
        "==" in line for line in (venv.parent / name).read_text().splitlines() if not line.startswith((" ", "#"))
    )


def venv_python(venv: Path) -> Path:
    """Return where the environment's interpreter is."""
    return venv / "bin" / "python"


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


def _expected(venv: Path, name: str) -> dict[str, str | None]:
    digest = hashlib.sha256((venv.parent / name).read_bytes()).hexdigest()
    return {"python": version_of(venv_python(venv)), "requirements": name, "sha256": digest}


def _stamp(venv: Path) -> Path:
    return venv / "requirements-stamp.json"


def _interruption(venv: Path) -> Path:
    return venv / "installing"
