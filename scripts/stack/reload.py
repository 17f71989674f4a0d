"""Watches the folder of task types, and restarts what runs them after each change that can be loaded."""

import os
import signal
import time
from collections.abc import Iterator
from importlib.util import cache_from_source
from pathlib import Path

from scripts.stack import clients, locks, parts, processes, readiness, stackfile, task_modules
from scripts.stack.console import complain, say
from scripts.stack.errors import StackError
from scripts.stack.stackfile import Stack

# Folders that hold no code of the operator's, and may be large.
_SKIPPED = {"__pycache__", "node_modules", "site-packages"}
# A request that takes longer is cut off, and sent again by its client. Tasks are given back after one second.
_STOPPING_SECONDS = 4.0
# Before it, a change may be half written: an editor saves several files, or a file in several steps.
_SETTLING_SECONDS = 0.1

Snapshot = dict[Path, tuple[int, int]]


class Reloader:
    """Looks for changes of one folder."""

    def __init__(self, data_dir: Path, folder: Path) -> None:
        """``folder`` is where the modules of TASK_MODULES are."""
        self._data_dir = data_dir
        self._folder = folder
        self._seen = snapshot(folder)

    def look(self) -> None:
        """Restart what runs the task types if a file has changed. A module that cannot be loaded changes nothing."""
        found = snapshot(self._folder)
        if found == self._seen:
            return
        time.sleep(_SETTLING_SECONDS)
        found = snapshot(self._folder)
        changed = sorted(path for path in found.keys() | self._seen.keys() if found.get(path) != self._seen.get(path))
        self._seen = found
        started = time.monotonic()
        try:
            self._reload(changed, started)
        except StackError as error:
            complain(f"{error}\nSave the file again when it is corrected.")

    def _reload(self, changed: list[Path], started: float) -> None:
        names = ", ".join(str(path.relative_to(self._folder)) for path in changed)
        for path in changed:
            # Python compares times of whole seconds: two changes within one could leave the code of the first.
            Path(cache_from_source(str(path))).unlink(missing_ok=True)
        with locks.held(self._data_dir / "lock", "Another command is at work on this stack; waiting for it ..."):
            stack = stackfile.load(self._data_dir)
            loaded = task_modules.load(stack)
            if loaded.fault:
                complain(f"{names} changed, but the old version goes on: {loaded.fault}\nThe next save tries again.")
                return
            restart(stack, loaded.pools)
        say(f"Reloaded after a change of {names} in {time.monotonic() - started:.1f} s.")
        clients.build(stack)


def snapshot(folder: Path) -> Snapshot:
    """Return the Python files of a folder with the time of their change and their size."""
    return {path: (status.st_mtime_ns, status.st_size) for path, status in _files(folder)}


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _SKIPPED and not name.startswith(".")]
        # A virtual environment may have any name.
        folders[:] = [name for name in folders if not Path(root, name, "pyvenv.cfg").exists()]
        for name in names:
            path = Path(root, name)
            try:
                if path.suffix == ".py":
                    yield path, path.stat()
            except OSError:
                # It was removed meanwhile, or is a link to nowhere.
                continue


def restart(stack: Stack, pools: tuple[str, ...]) -> None:
    """Stop the api and the workers at the same time, and start each when it has ended.

    The caller holds the folder's lock.
    """
    waiting = [part for part in ("api", *stack.workers()) if part in stack.processes]
    for part in waiting:
        if stack.is_running(part):
            processes.send(stack.processes[part].pid, signal.SIGTERM)
    offsets: dict[str, int] = {}
    if "asyncio" in pools and not stack.workers("asyncio"):
        _start(stack, "asyncio1", offsets)
    deadline = time.monotonic() + _STOPPING_SECONDS
    while waiting:
        # The api ends at once. It starts while the workers still give back their tasks.
        for part in [one for one in waiting if not stack.is_running(one) or time.monotonic() > deadline]:
            processes.stop(stack.processes[part], ())
            _start(stack, part, offsets)
            waiting.remove(part)
        time.sleep(0.01)
    stackfile.save(stack)
    readiness.wait(stack, offsets, settling_seconds=0.0)


def _start(stack: Stack, part: str, offsets: dict[str, int]) -> None:
    offsets[part] = parts.size_of_log(stack.data_dir, part)
    parts.start(stack, part)
