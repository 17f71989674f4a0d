"""Postgres and Valkey of our own, for ``scripts/up`` and for tests: a folder is a server."""

import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from scripts.stack import placement, postgres, processes, valkey
from scripts.stack.server import Server

__all__ = ["Server", "kill", "scratch_folder", "start_postgres", "start_valkey", "stop"]

start_postgres = postgres.start
start_valkey = valkey.start


def stop(server: Server) -> None:
    """Stop a server cleanly; its folder can be started again."""
    (postgres if server.name == "postgres" else valkey).stop(server.folder)


def kill(server: Server) -> None:
    """Kill a server as a crash would, and wait until it is gone."""
    processes.send(server.pid, signal.SIGKILL)
    processes.wait_until(lambda: processes.is_gone(server.pid), 10.0)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a folder for servers which also root's servers can enter; servers left in it are stopped at the end."""
    scratch = Path(tempfile.mkdtemp(prefix="stack-")).resolve()
    scratch.chmod(0o711)
    try:
        yield scratch
    finally:
        _stop_all_in(scratch)
        shutil.rmtree(scratch, ignore_errors=True)


def _stop_all_in(scratch: Path) -> None:
    for lock in scratch.rglob("lock"):
        for server in (postgres, valkey):
            pid = server.running_pid(lock.parent)
            server.stop(lock.parent)
            # It lets go of its folder a moment before it ends, and a child of ours must be reaped.
            if pid is not None:
                processes.wait_until(partial(processes.is_gone, pid), 2.0)
        if placed := placement.placed_at(lock.parent):
            shutil.rmtree(placed)
