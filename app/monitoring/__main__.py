"""``python -m app.monitoring probe worker|dispatcher|webhooks``: for health checks; 0 when it turns, else 1."""

import argparse
import asyncio
import sys

from app.core.secrets import SecretsFileError
from app.monitoring.process_probe import probe


def main(arguments: list[str]) -> int:
    """Say one line, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m app.monitoring", description="Ask whether a process does its work."
    )
    commands = parser.add_subparsers(required=True)
    asked = commands.add_parser("probe", help="0 when a process of this host turns, else 1")
    asked.add_argument("kind", choices=("worker", "dispatcher", "webhooks"))
    asked.add_argument("--pid", type=int, help="of its main process, where a host has several of the kind")
    options = parser.parse_args(arguments)
    try:
        turns, line = asyncio.run(probe(options.kind, options.pid))
    except SecretsFileError as error:
        turns, line = False, str(error)
    sys.stdout.write(f"{line}\n")
    return 0 if turns else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
