"""The entry of all commands in ``scripts/``: makes the environment that each needs, then becomes it."""

import os
import sys
from pathlib import Path
from typing import NoReturn

from scripts.stack import environment, options, requirements, shutdown
from scripts.stack.console import complain
from scripts.stack.errors import StackError

ROOT = Path(__file__).resolve().parents[2]
_DEVELOPERS = {
    # Three at once for two cores, each with servers of its own: nearly half of the suite is waiting.
    "test": ("pytest", "-n", "3", "--dist", "loadfile"),
    "openapi": ("scripts.openapi_document",),
    "check": ("scripts.stack.checks",),
    "sdk": ("scripts.sdk_python",),
    "release": ("scripts.release_files",),
    "bench": ("scripts.benchmark",),
    "faults": ("tests.faults",),
    "rehearse": ("scripts.rehearsal",),
    "screenshots": ("scripts.pictures",),
    "guide": ("scripts.guide_site",),
}


def main() -> int:
    """Run one command; an expected failure is one line."""
    command, *arguments = sys.argv[1:]
    try:
        return _run(command, arguments)
    except StackError as error:
        complain(str(error))
        return 1
    except OSError as error:
        complain(
            f"{error.strerror or error}: {error.filename or ROOT} -- run as the owner of it, with room on the disk"
        )
        return 1
    except KeyboardInterrupt:
        complain("interrupted; the same command goes on from here")
        return 130


def _run(command: str, arguments: list[str]) -> int:
    if command == "down":
        return shutdown.main(arguments)
    if command == "up":
        # Before anything is installed: a wrong option, or --help, costs nothing.
        options.parse_up(arguments)
        _become(_needed_by_up(), "scripts.stack.launcher", arguments)
    if command == "admin":
        _become(requirements.RUNTIME, "app.admin", arguments)
    # The paths that these are given count from the caller's folder.
    if command not in {"sdk", "guide"} and not Path.cwd().is_relative_to(ROOT):
        os.chdir(ROOT)
    module, *options_of_ours = _DEVELOPERS[command]
    return _become(requirements.DEVELOPMENT, module, [*options_of_ours, *arguments])


def _needed_by_up() -> str:
    has_servers = os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL")
    return requirements.RUNTIME if has_servers else requirements.EMBEDDED


def _become(wanted: str, module: str, arguments: list[str]) -> NoReturn:
    python = environment.ensure(ROOT, wanted)
    # Without the caller's folder, which an empty entry means: an email.py there would stand in for Python's own module.
    paths = filter(None, os.environ.get("PYTHONPATH", str(ROOT)).split(os.pathsep))
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    os.execv(python, [str(python), "-P", "-m", module, *arguments])  # noqa: S606  # it takes our place and our signals


if __name__ == "__main__":
    sys.exit(main())
