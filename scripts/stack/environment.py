"""Makes ``.venv`` and installs the pinned requirements, once; needs nothing but the standard library."""

import os
import shutil
import sys
from pathlib import Path

from scripts.stack import installer, locks, requirements
from scripts.stack.console import say
from scripts.stack.errors import StackError

_NO_VENV = "this Python can make no virtual environment: apt install python3-venv (or PYTHON=/path/to/another)"


def ensure(root: Path, wanted: str) -> Path:
    """Return the interpreter of an environment that holds the wanted requirements file."""
    python = requirements.venv_python(root)
    if requirements.is_installed(root, wanted):
        return python
    # The folder's own lock: nothing to leave behind, and it works where only .venv may be written.
    with locks.held(Path(__file__).parent, "Another command is preparing .venv here; waiting for it ..."):
        if not requirements.is_installed(root, wanted):
            _prepare(root, wanted)
    return python


def _prepare(root: Path, wanted: str) -> None:
    _check_writable(root)
    if not _is_usable(root):
        if (root / ".venv").exists():
            say("Removing an unfinished .venv ...")
        _remove(root / ".venv")
        _create(root)
    _check_version(root)
    requirements.begin(root)
    try:
        installer.install(root, _pip(root), wanted)
    except StackError:
        requirements.give_up(root)
        raise
    requirements.record(root, wanted)


def _check_writable(root: Path) -> None:
    folder = root / ".venv" if (root / ".venv").is_dir() else root
    if not os.access(folder, os.W_OK):
        message = f"{folder} is not writable: run as its owner, or use a checkout of your own"
        raise StackError(message)


def _is_usable(root: Path) -> bool:
    """Tell whether there is an environment to build on: complete, and not left by a killed installation."""
    venv = root / ".venv"
    if not (venv / "pyvenv.cfg").exists() or requirements.was_interrupted(root):
        return False
    return requirements.version_of(requirements.venv_python(root)) is not None and _find_pip(root) is not None


def _remove(venv: Path) -> None:
    if venv.is_symlink():
        venv.unlink()
    elif venv.exists():
        shutil.rmtree(venv)


def _create(root: Path) -> None:
    base = _base_python()
    say(f"Making .venv with {base} ...")
    if _venv(base, root) and _find_pip(root):
        return
    # Debian without python3-venv has no ensurepip, but may have a pip that installs into other environments.
    _remove(root / ".venv")
    if not _venv(base, root, "--without-pip") or _find_pip(root) is None:
        _remove(root / ".venv")
        raise StackError(_NO_VENV)


def _venv(base: str, root: Path, *options: str) -> bool:
    return installer.runs([base, "-m", "venv", *options, str(root / ".venv")])


def _base_python() -> str:
    """Name the interpreter outside of any environment: ours may be the very one to be replaced."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def _pip(root: Path) -> list[str]:
    pip = _find_pip(root)
    if pip is None:
        raise StackError(_NO_VENV)
    return pip


def _find_pip(root: Path) -> list[str] | None:
    python = str(requirements.venv_python(root))
    inside = [python, "-m", "pip"]
    outside = [_base_python(), "-m", "pip", "--python", python]
    for pip in (inside, outside):
        if installer.runs([*pip, "--version"]):
            return pip
    return None


def _check_version(root: Path) -> None:
    version = requirements.version_of(requirements.venv_python(root)) or "0.0"
    major, minor = (int(number) for number in version.split(".")[:2])
    if not (3, 11) <= (major, minor) < (3, 15):
        message = f".venv holds Python {version}, but 3.11 to 3.14 is needed: remove .venv and run again"
        raise StackError(message)
