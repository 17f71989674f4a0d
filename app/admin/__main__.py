"""``python -m app.admin``: run one command and end with an exit code that means something."""

import sys

from app.admin import edge
from app.admin.commands import app


def main() -> None:
    """Run the command of the process's arguments."""
    with edge.exit_codes():
        app(args=_lift_data_dir(sys.argv[1:]), prog_name="scripts/admin")


def _lift_data_dir(arguments: list[str]) -> list[str]:
    # Operators write --data-dir where they think of it; Typer takes an option of the whole program only in front.
    for index, argument in enumerate(arguments):
        length = 2 if argument == "--data-dir" else 1
        if argument.partition("=")[0] == "--data-dir":
            return [*arguments[index : index + length], *arguments[:index], *arguments[index + length :]]
    return arguments


if __name__ == "__main__":
    main()
