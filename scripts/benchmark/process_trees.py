"""CPU time and memory of processes with all their children, from /proc."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_TICK = os.sysconf("SC_CLK_TCK")
_TRIES = 5


class _Stat(NamedTuple):
    parent: int
    seconds: float
    """User and system time of the process and of the children it has reaped, and theirs."""


def cpu_seconds(roots: Mapping[str, int]) -> dict[str, float]:
    """Return the CPU time that each tree has used since it began.

    A child that ends is added to its parent's reaped time, so nothing is lost: Postgres reaps its backends, Celery its
    slots. A process that ends between two readings could be missed, so it is read until the trees stand still.
    """
    table = _table()
    for _ in range(_TRIES):
        before, table = table, _table()
        if _members(before, roots) == _members(table, roots):
            break
    return {name: sum(table[pid].seconds for pid in members) for name, members in _members(table, roots).items()}


def pss_megabytes(roots: Mapping[str, int]) -> dict[str, float]:
    """Return the memory of each tree, shared pages divided by those who share them; 10^6 bytes."""
    return {name: sum(map(_pss, members)) / 1e6 for name, members in _members(_table(), roots).items()}


def open_files(roots: Mapping[str, int]) -> dict[str, float]:
    """Count what the processes of each tree have open: files, sockets, pipes."""
    return _count(roots, "fd")


def threads(roots: Mapping[str, int]) -> dict[str, float]:
    """Count the threads of each tree."""
    return _count(roots, "task")


def _count(roots: Mapping[str, int], folder: str) -> dict[str, float]:
    members = _members(_table(), roots)
    return {name: sum(_entries(pid, folder) for pid in pids) for name, pids in members.items()}


def _entries(pid: int, folder: str) -> int:
    try:
        return sum(1 for _ in _PROC.joinpath(str(pid), folder).iterdir())
    except OSError:
        return 0


def busy_seconds() -> float:
    """Return the CPU time that the machine has spent on anything since it started."""
    user, nice, system, _idle, _wait, interrupts, soft, *_ = (
        _PROC.joinpath("stat").read_text().split("\n")[0].split()[1:]
    )
    return sum(map(int, (user, nice, system, interrupts, soft))) / _TICK


def _table() -> dict[int, _Stat]:
    pids = sorted(int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())
    return {pid: stat for pid in pids if (stat := _stat(pid))}


def _stat(pid: int) -> _Stat | None:
    try:
        # The name in parentheses may hold blanks: count the fields from behind it.
        fields = _PROC.joinpath(str(pid), "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return _Stat(int(fields[1]), sum(map(int, fields[11:15])) / _TICK)


def _members(table: Mapping[int, _Stat], roots: Mapping[str, int]) -> dict[str, set[int]]:
    children: dict[int, list[int]] = {}
    for pid, stat in table.items():
        children.setdefault(stat.parent, []).append(pid)
    return {name: _descend(root, children) & table.keys() for name, root in roots.items()}


def _descend(root: int, children: Mapping[int, list[int]]) -> set[int]:
    found, waiting = set[int](), [root]
    while waiting:
        pid = waiting.pop()
        found.add(pid)
        waiting.extend(children.get(pid, ()))
    return found


def _pss(pid: int) -> int:
    try:
        lines = _PROC.joinpath(str(pid), "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
