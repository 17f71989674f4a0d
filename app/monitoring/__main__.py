"""Probe a process for a health check: ``python -m app.monitoring probe worker|http|dispatcher|webhooks``.

The exit code is 0 when it is alive, else 1.
"""

import argparse
import asyncio
import sys

from app.core.secrets import SecretsFileError
from app.monitoring.process_probe import probe


def main(arguments: list[str]) -> int:
    """Print one line, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m app.monitoring", description="Ask whether a process does its work."
    )
    commands = parser.add_subparsers(required=True)
    asked = commands.add_parser("probe", help="exit with 0 when a process of this host is alive, else 1")
    asked.add_argument("kind", choices=("worker", "http", "dispatcher", "webhooks", "operator"))
    asked.add_argument("--pid", type=int, help="pid of its main process, when a host has several of the kind")
    options = parser.parse_args(arguments)
    try:
        is_alive, line = asyncio.run(probe(options.kind, options.pid))
    except SecretsFileError as error:
        # Without the file there is no password for Postgres. That is a fault of this host, and the line says so.
        is_alive, line = False, str(error)
    sys.stdout.write(f"{line}\n")
    return 0 if is_alive else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
