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
    venv = requirements.venv_for(root, wanted)
    if requirements.is_installed(venv, wanted):
        return requirements.venv_python(venv)
    # The folder's own lock: nothing to leave behind, and it works where only .venv may be written.
    with locks.held(Path(__file__).parent, f"Another command is preparing {venv.name} here; waiting for it ..."):
        if not requirements.is_installed(venv, wanted):
            _prepare(venv, wanted)
    return requirements.venv_python(venv)


def _prepare(venv: Path, wanted: str) -> None:
    _check_writable(venv)
    if not _is_usable(venv):
        if venv.exists():
            say(f"Removing an unfinished {venv.name} ...")
        _remove(venv)
        _create(venv)
    _check_version(venv)
    requirements.begin(venv)
    try:
        installer.install(venv, _pip(venv), wanted)
    except StackError:
        requirements.give_up(venv)
        raise
    requirements.record(venv, wanted)


def _check_writable(venv: Path) -> None:
    folder = venv if venv.is_dir() else venv.parent
    if not os.access(folder, os.W_OK):
        message = f"{folder} is not writable: run as its owner, or use a checkout of your own"
        raise StackError(message)


def _is_usable(venv: Path) -> bool:
    """Tell whether there is an environment to build on: complete, and not left by a killed installation."""
    if not (venv / "pyvenv.cfg").exists() or requirements.was_interrupted(venv):
        return False
    return requirements.version_of(requirements.venv_python(venv)) is not None and _find_pip(venv) is not None


def _remove(venv: Path) -> None:
    if venv.is_symlink():
        venv.unlink()
    elif venv.exists():
        shutil.rmtree(venv)


def _create(venv: Path) -> None:
    base = _base_python()
    say(f"Making {venv.name} with {base} ...")
    if _venv(base, venv) and _find_pip(venv):
        return
    # Debian without python3-venv has no ensurepip, but may have a pip that installs into other environments.
    _remove(venv)
    if not _venv(base, venv, "--without-pip") or _find_pip(venv) is None:
        _remove(venv)
        raise StackError(_NO_VENV)


def _venv(base: str, venv: Path, *options: str) -> bool:
    return installer.runs([base, "-m", "venv", *options, str(venv)])


def _base_python() -> str:
    """Name the interpreter outside of any environment: ours may be the very one to be replaced."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def _pip(venv: Path) -> list[str]:
    pip = _find_pip(venv)
    if pip is None:
        raise StackError(_NO_VENV)
    return pip


def _find_pip(venv: Path) -> list[str] | None:
    python = str(requirements.venv_python(venv))
    inside = [python, "-m", "pip"]
    outside = [_base_python(), "-m", "pip", "--python", python]
    for pip in (inside, outside):
        if installer.runs([*pip, "--version"]):
            return pip
    return None


def _check_version(venv: Path) -> None:
    version = requirements.version_of(requirements.venv_python(venv)) or "0.0"
    major, minor = (int(number) for number in version.split(".")[:2])
    if not (3, 11) <= (major, minor) < (3, 15):
        message = f"{venv.name} holds Python {version}, but 3.11 to 3.14 is needed: remove {venv.name} and run again"
        raise StackError(message)
