"""Watches a stack in the foreground: says once what ended, and returns when nothing is left."""

import time
from pathlib import Path

from scripts.stack import parts, shutdown, stackfile
from scripts.stack.console import say


def watch(data_dir: Path) -> None:
    """Look once a second; what ended is not started again."""
    told: set[tuple[str, int]] = set()
    known: set[str] = set()
    while True:
        # Read anew: another up or down may have changed it.
        stack = stackfile.load(data_dir)
        for part, process in stack.processes.items():
            if not stack.is_running(part) and (part, process.pid) not in told:
                told.add((part, process.pid))
                say(f"{part} has ended; scripts/up starts it again. Its log: {parts.log_of(data_dir, part)}")
        servers = shutdown.living_servers(data_dir)
        for server in known - {*servers}:
            say(f"{server} has ended; scripts/up starts it again. Its log: {parts.log_of(data_dir, server)}")
        known = {*servers}
        if not stack.living() and not servers:
            return say("Nothing of it runs any more.")
        time.sleep(1.0)
