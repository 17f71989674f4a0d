"""``scripts/up``: starts what is missing of a stack, shows that it works, and stays until it is told to stop."""

import os
import sys
import time
import traceback
from pathlib import Path

from scripts.stack import demo, files, locks, options, shutdown, startup
from scripts.stack.console import complain, say
from scripts.stack.errors import StackError
from scripts.stack.interrupts import Interrupts
from scripts.stack.options import UpOptions
from scripts.stack.server import prepare_folder
from scripts.stack.stackfile import Stack
from scripts.stack.watch import watch


def main(arguments: list[str]) -> int:
    """Run the command; an expected failure is one line, an unexpected one is in a log."""
    asked = options.parse_up(arguments)
    try:
        data_dir = prepare_folder(asked.data_dir)
        files.private_folder(data_dir / "logs")
        return _detached(asked, data_dir) if asked.detach else _in_foreground(asked, data_dir)
    except StackError as error:
        complain(str(error))
    except OSError as error:
        where = error.filename or asked.data_dir
        complain(f"{error.strerror or error}: {where} -- is the data folder yours, with room?")
        _log_traceback(asked.data_dir)
    except KeyboardInterrupt:
        complain("interrupted: scripts/up goes on from here, scripts/down stops what runs")
        return 130
    return 1


def _detached(asked: UpOptions, data_dir: Path) -> int:
    stack = _start(asked, data_dir)
    _show(asked, stack)
    say(f"\nIt runs in the background; scripts/down{_option(data_dir)} stops it. Logs: {data_dir}/logs")
    return 0


def _in_foreground(asked: UpOptions, data_dir: Path) -> int:
    interrupts = Interrupts()
    interrupts.install()
    try:
        stack = _start(asked, data_dir)
        try:
            _show(asked, stack)
        except StackError as error:
            # It runs: what is wrong can be looked at.
            complain(str(error))
        say(f"\nIt runs until Ctrl-C. Logs: {data_dir}/logs")
        watch(data_dir)
    except KeyboardInterrupt:
        say("\nStopping; Ctrl-C once more to hurry ...")
        shutdown.stop_stack(data_dir, interrupts.is_urgent)
    return 0


def _start(asked: UpOptions, data_dir: Path) -> Stack:
    started = time.monotonic()
    with locks.held(data_dir / "lock", "Another command is at work on this stack; waiting for it ..."):
        stack = startup.bring_up(asked, data_dir)
    say(f"Ready at {stack.api_url} after {time.monotonic() - started:.1f} s.")
    return stack


def _show(asked: UpOptions, stack: Stack) -> None:
    if asked.demo:
        demo.run(stack)
    demo.print_directions(stack)


def _option(data_dir: Path) -> str:
    return "" if data_dir == Path(".data").absolute() else f" --data-dir {data_dir}"


def _log_traceback(data_dir: Path) -> None:
    log = data_dir / "logs" / "up.log"
    if os.access(log.parent, os.W_OK):
        with files.append_private(log) as file:
            file.write(traceback.format_exc().encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
