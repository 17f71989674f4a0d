"""The users of a host. Root's test gives each a number of its own; an ordinary user's test runs all as that user."""

import os
import pwd
import shutil
import sys
import sysconfig
from pathlib import Path

from scripts.stack import account

NAMES = ("taskqueue", "taskqueue-worker", "postgres", "redis", "www-data")
_OURS = {"taskqueue": 61_101, "taskqueue-worker": 61_102}
"""Debian's packages have made the others: Postgres wants to know its user's name."""
_LEFT_OUT = shutil.ignore_patterns(
    "site-packages", "test", "tests", "idlelib", "tkinter", "ensurepip", "__pycache__", "config-*"
)


def uid(name: str) -> int | None:
    """Return the number of a user; None where there is one user only."""
    if os.geteuid() != 0:
        return None
    return _OURS.get(name) or pwd.getpwnam(name).pw_uid


def become(name: str) -> dict[str, object]:
    """Return what makes ``subprocess`` start a process as this user."""
    number = uid(name)
    return {} if number is None else {"user": number, "group": number, "extra_groups": []}


def own(path: Path, name: str, mode: int) -> None:
    """Give a file or folder to a user."""
    path.chmod(mode)
    number = uid(name)
    if number is not None:
        os.chown(path, number, number)


def make_environment(venv: Path) -> None:
    """Make an environment with the packages of this one, which every user of the host can run.

    Where the interpreter is in a closed home, it is copied, with its standard library.
    """
    program = Path(sys.base_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}")
    (venv / "bin").mkdir(parents=True)
    if _can_run([str(program), "--version"]):
        (venv / "bin" / "python").symlink_to(program)
    else:
        program = _copy_interpreter(program, venv)
    (venv / "pyvenv.cfg").write_text(f"home = {program.parent}\n")
    packages = venv / "lib" / program.name
    packages.mkdir(parents=True)
    ours = Path(sysconfig.get_path("purelib"))
    if _can_run(["/bin/ls", str(ours)]):
        (packages / "site-packages").symlink_to(ours)
    else:
        shutil.copytree(ours, packages / "site-packages", symlinks=True, copy_function=_link)


def _copy_interpreter(program: Path, venv: Path) -> Path:
    base, copy = Path(sys.base_prefix), venv.parent / "python"
    (copy / "bin").mkdir(parents=True)
    shutil.copy(program, copy / "bin")
    library = Path(sysconfig.get_path("stdlib")).relative_to(base)
    shutil.copytree(base / library, copy / library, ignore=_LEFT_OUT, symlinks=True)
    for shared in (base / "lib").glob("libpython*"):
        shutil.copy(shared, copy / "lib", follow_symlinks=False)
    # The program knows where its library was. Its own name tells it to which environment it belongs.
    python = venv / "bin" / "python"
    python.write_text(
        f'#!/bin/bash\nLD_LIBRARY_PATH={copy / "lib"} exec -a {python} {copy / "bin" / program.name} "$@"\n'
    )
    python.chmod(0o755)
    return copy / "bin" / program.name


def _link(source: str, target: str) -> None:
    """Take a file by a second name, which costs no room; copy it from another file system."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)


def _can_run(command: list[str]) -> bool:
    """Tell whether a user of the service can run a command."""
    number = uid("taskqueue")
    try:
        return account.run(None if number is None else account.Account(number, number), command).returncode == 0
    except PermissionError:
        return False
