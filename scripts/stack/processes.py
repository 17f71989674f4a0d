"""Operating-system processes: started in a session of their own, known by pid and start time, stopped in steps."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.stack import files

DATA_DIR_MARK = "STACK_DATA_DIR"
PART_MARK = "STACK_PART"
_PROC = Path("/proc")

_children: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class Process:
    """A process that stays itself: a reused pid has another start time."""

    pid: int
    started: str


def adopt(child: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
    """Remember a child, so that it is reaped: a zombie still looks alive to those who ask by pid."""
    _children.append(child)
    return child


def reap() -> None:
    """Collect the children that have ended."""
    _children[:] = [child for child in _children if child.poll() is None]


def spawn(command: Sequence[str], environment: Mapping[str, str], cwd: Path, log: Path) -> Process:
    """Start a process which outlives us and writes to a log."""
    with files.append_private(log) as output:
        child = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    adopt(child)
    return Process(child.pid, start_time(child.pid) or "")


def is_alive(process: Process | None) -> bool:
    """Tell whether this very process still runs."""
    reap()
    return process is not None and bool(process.started) and start_time(process.pid) == process.started


def start_time(pid: int) -> str | None:
    """Return when a process began, as its system tells it; None when it is gone or a zombie."""
    if not _PROC.joinpath("self").exists():
        return _ask_ps(pid, "lstart")
    try:
        # The name in parentheses may hold blanks: count the fields from behind it.
        fields = _PROC.joinpath(str(pid), "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else f"{_boot()}:{fields[19]}"


def is_gone(pid: int) -> bool:
    """Tell whether no process has this pid any more; a zombie is gone."""
    reap()
    return start_time(pid) is None


def command_line(pid: int) -> str:
    """Return a process's command line; empty when it is gone or a zombie."""
    if not _PROC.joinpath("self").exists():
        return _ask_ps(pid, "command") or ""
    try:
        return _PROC.joinpath(str(pid), "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def marked(data_dir: Path, part: str | None = None) -> list[int]:
    """Find the processes started for a data folder by their environment, also those whose parent was killed."""
    marks = {f"{DATA_DIR_MARK}={data_dir}".encode()}
    if part:
        marks.add(f"{PART_MARK}={part}".encode())
    return [pid for pid in _pids() if marks <= _environment(pid)]


def working_in(folder: Path, program: str) -> list[int]:
    """Find the processes of a program whose working directory is the folder: an operator's shell may be there too."""
    return [pid for pid in _pids() if _link(pid, "cwd") == str(folder) and _program(pid) == program]


def stop(process: Process, steps: Sequence[tuple[int, float]], is_urgent: Callable[[], bool] = lambda: False) -> None:
    """Send each signal and wait its seconds; at last (or when it became urgent) kill the whole process group."""
    for number, seconds in steps:
        if not is_alive(process) or is_urgent():
            break
        send(process.pid, number)
        wait_until(lambda: not is_alive(process) or is_urgent(), seconds)
    if is_alive(process):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(process), 5.0)


def send(pid: int, number: int) -> None:
    """Send a signal to a process that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def wait_until(is_true: Callable[[], bool], seconds: float) -> bool:
    """Wait for a condition; tells whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _pids() -> list[int]:
    if not _PROC.joinpath("self").exists():
        return []
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit() and int(entry.name) != os.getpid()]


def _environment(pid: int) -> set[bytes]:
    try:
        return set(_PROC.joinpath(str(pid), "environ").read_bytes().split(b"\0"))
    except OSError:
        return set()


def _program(pid: int) -> str:
    try:
        return _PROC.joinpath(str(pid), "comm").read_text().strip()
    except OSError:
        return ""


def _link(pid: int, name: str) -> str | None:
    try:
        return str(_PROC.joinpath(str(pid), name).readlink())
    except OSError:
        return None


def open_files(pid: int) -> list[str]:
    """Return what a process has open, as its system names it; nothing of others' processes."""
    try:
        numbers = [entry.name for entry in _PROC.joinpath(str(pid), "fd").iterdir()]
    except OSError:
        return []
    # One may be closed meanwhile.
    return [target for number in numbers if (target := _link(pid, f"fd/{number}"))]


def _boot() -> str:
    try:
        return _PROC.joinpath("sys/kernel/random/boot_id").read_text().strip()[:8]
    except OSError:
        return ""


def _ask_ps(pid: int, field: str) -> str | None:
    answer = subprocess.run(
        ["ps", "-o", "stat=", "-o", f"{field}=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return None if not answer or answer.startswith("Z") else answer.partition(" ")[2].strip()
