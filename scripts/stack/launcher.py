"""``scripts/up``: starts what is missing of a stack, shows that it works, and stays until it is told to stop."""

import os
import sys
import time
import traceback
from pathlib import Path

from scripts.stack import demo, files, locks, options, provision, shutdown, stackfile, startup, task_modules
from scripts.stack.console import complain, say
from scripts.stack.errors import StackError
from scripts.stack.interrupts import Interrupts
from scripts.stack.options import UpOptions
from scripts.stack.reload import Reloader
from scripts.stack.server import prepare_folder
from scripts.stack.stackfile import Stack
from scripts.stack.watch import watch


def main(arguments: list[str]) -> int:
    """Run the command; an expected failure is one line, an unexpected one is in a log."""
    asked = options.parse_up(arguments)
    try:
        task_modules.choose(asked)
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
        watch(data_dir, _reloader(asked, data_dir))
    except KeyboardInterrupt:
        say("\nStopping; Ctrl-C once more to hurry ...")
        shutdown.stop_stack(data_dir, interrupts.is_urgent)
    return 0


def _reloader(asked: UpOptions, data_dir: Path) -> Reloader | None:
    if not asked.reload:
        return None
    folder = Path(os.environ.get("TASK_MODULES_FOLDER") or Path.cwd())
    say(f"Watching {folder} for changes.")
    return Reloader(data_dir, folder)


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
    # Last, because it is valid for five minutes only.
    provision.make_console_link(stack)
    provision.make_operator_link(stack)
    stackfile.save(stack)
    for title, url in (("Console: ", stack.console_url), ("Operator:", stack.operator_url)):
        if url:
            say(f"{title}  {url}   (signs you in once, within 5 minutes)")


def _option(data_dir: Path) -> str:
    return "" if data_dir == options.default_data_dir().resolve() else f" --data-dir {data_dir}"


def _log_traceback(data_dir: Path) -> None:
    log = data_dir / "logs" / "up.log"
    if os.access(log.parent, os.W_OK):
        with files.append_private(log) as file:
            file.write(traceback.format_exc().encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
