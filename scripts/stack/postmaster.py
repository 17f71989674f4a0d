"""What a Postgres data folder tells about its server, and how stale traces of a killed one are cleared."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from scripts.stack import processes


@dataclass(frozen=True)
class Postmaster:
    """A running postmaster, as its pid file has it."""

    pid: int
    port: int
    status: str
    """``starting``, ``ready``, ``stopping``; empty just after the start."""


def find(data: Path) -> Postmaster | None:
    """Return the folder's running server; a stale pid, a zombie's or one that others have now is none."""
    processes.reap()
    lines = _pid_file(data)
    try:
        pid, port = int(lines[0]), int(lines[3])
    except (IndexError, ValueError):
        return None
    # The postmaster keeps its command line, so it tells its data folder.
    if f"-D {data} " not in f"{processes.command_line(pid)} ":
        return None
    return Postmaster(pid, port, "".join(lines[7:8]).strip())


def clear_stale(data: Path) -> None:
    """Make a folder without a running server ready for a new one."""
    # Backends of a killed postmaster may still be busy, and would keep the new one from starting.
    for number in (signal.SIGQUIT, signal.SIGKILL):
        for pid in processes.working_in(data, "postgres"):
            processes.send(pid, number)
        if processes.wait_until(lambda: not _living(data), 3.0):
            break
    _disown(data)


def _disown(data: Path) -> None:
    """Let Postgres see that the pid in the file is no postmaster's, although a zombie or a stranger may have it now.

    The pid of its own parent is the one that it takes for stale. Without the file it would no longer see whether
    a process of the old server is still attached to the data.
    """
    if lines := _pid_file(data):
        (data / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:], ""]))


def _living(data: Path) -> list[int]:
    return [pid for pid in processes.working_in(data, "postgres") if processes.start_time(pid)]


def _pid_file(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return []
