"""Run one command: ``python -m app.admin``. Its exit code tells the kind of the result (``cli_runtime``)."""

import sys

from app.admin import cli_runtime, completion
from app.admin.commands import app
from app.core.logging import JsonLine


def main() -> None:
    """Run the command that the arguments of the process name."""
    # As its connections to Postgres are named.
    JsonLine.service = "admin"
    with cli_runtime.exit_codes():
        completion.prepare()
        app(args=_lift_data_dir(sys.argv[1:]), prog_name="scripts/admin", complete_var=completion.VARIABLE)


def _lift_data_dir(arguments: list[str]) -> list[str]:
    # Typer accepts an option of the whole program only in front of the command. Operators write it anywhere.
    for index, argument in enumerate(arguments):
        length = 2 if argument == "--data-dir" else 1
        if argument.partition("=")[0] == "--data-dir":
            return [*arguments[index : index + length], *arguments[:index], *arguments[index + length :]]
    return arguments


if __name__ == "__main__":
    main()
