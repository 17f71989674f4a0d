"""Watches a stack in the foreground: says once what ended, and returns when nothing is left."""

import time
from pathlib import Path

from scripts.stack import parts, shutdown, stackfile
from scripts.stack.console import say
from scripts.stack.reload import Reloader

_SECONDS = 1.0
_RELOADING_SECONDS = 0.25


def watch(data_dir: Path, reloader: Reloader | None = None) -> None:
    """Look once a second, for changes of task types more often; what ended is not started again."""
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
        _pause(reloader)


def _pause(reloader: Reloader | None) -> None:
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        time.sleep(_RELOADING_SECONDS)
        if reloader is not None:
            reloader.look()
