"""Starts and stops a Postgres of our own: loopback TCP with passwords, no socket file, every durability setting on."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

from scripts.stack import account as accounts
from scripts.stack import binaries, files, initdb, locks, placement, ports, postmaster, processes
from scripts.stack.errors import ChildDiedError, StackError
from scripts.stack.server import LOG_NAME, Identity, Server, death, identity_of, prepare_folder, remember

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    # A socket's path may have 107 bytes at most; a checkout's may be longer.
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "200",
    # Nothing is replicated: one process less.
    "max_logical_replication_workers": "0",
    # It shares a machine with the rest of the stack; what is read again is in the system's cache. With more, a task
    # costs less only until the buffers have filled, and memory grows with the tables (docs/benchmarks.md).
    "shared_buffers": "16MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] ",
}
_NAME = "Postgres"
_START_SECONDS = 120.0
_LEFTOVER_SECONDS = 30.0
_STEPS = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0))


def start(folder: Path, *, port: int | None = None, log: Path | None = None) -> Server:
    """Start the folder's Postgres, or find it running; without a port, the one it had or a free one."""
    folder = prepare_folder(folder)
    log = log or folder / LOG_NAME
    with locks.held(folder / "lock", "Another command is starting Postgres here; waiting for it ...") as lock:
        home = placement.home_of(folder, accounts.account_for(folder / "data"))
        data = home / "data"
        if _running(data):
            return _server(home, folder, log)
        account = accounts.account_for(data)
        programs = binaries.postgres_bin(account)
        _make_data(programs, home, account, lock)
        _launch(programs, home, account, port, log)
        return _server(home, folder, log)


def stop(folder: Path, is_urgent: Callable[[], bool] = lambda: False) -> None:
    """Stop the folder's Postgres, if it runs: clients are cut off, nothing committed is lost."""
    folder = folder.resolve()
    if not folder.exists():
        return
    with locks.held(folder / "lock"):
        data = _home(folder) / "data"
        for number, seconds in _STEPS[1:] if is_urgent() else _STEPS:
            if (found := postmaster.find(data)) is None:
                return
            _signal(found.pid, number, seconds, is_urgent)


def _signal(pid: int, number: int, seconds: float, is_urgent: Callable[[], bool]) -> None:
    processes.send(pid, number)
    # The process, not its file: that one goes a moment earlier.
    processes.wait_until(lambda: processes.is_gone(pid) or is_urgent(), seconds)


def running_pid(folder: Path) -> int | None:
    """Return the pid of the folder's Postgres, if it runs."""
    found = postmaster.find(_home(folder.resolve()) / "data")
    return found.pid if found else None


def _home(folder: Path) -> Path:
    return placement.placed_at(folder) or folder


def _running(data: Path) -> bool:
    """Tell whether the server is up; one that is starting or stopping is waited for."""
    found = postmaster.find(data)
    if found is None:
        return False
    processes.wait_until(lambda: _status(data) in {"ready", None}, _START_SECONDS)
    if _status(data) not in {"ready", None}:
        message = f"Postgres (pid {found.pid}) in {data} does not become ready: see its log, or scripts/down"
        raise StackError(message)
    return _status(data) == "ready"


def _status(data: Path) -> str | None:
    found = postmaster.find(data)
    return found.status if found else None


def _make_data(programs: Path, home: Path, account: accounts.Account | None, lock: int) -> None:
    data, identity = home / "data", identity_of(home)
    if not data.exists():
        remember(home, identity)
        initdb.create(programs, data, account, identity.password, lock)
    elif not (home / "server.json").exists():
        message = f"{home}/server.json with the password is gone: restore it, or remove {home} and lose the data"
        raise StackError(message)


def _launch(programs: Path, home: Path, account: accounts.Account | None, port: int | None, log: Path) -> None:
    """Start the postmaster; what a killed one left behind, or a port lost in a race, is a reason to try again."""
    deadline = time.monotonic() + _LEFTOVER_SECONDS
    while True:
        chosen = _choose_port(home, port)
        postmaster.clear_stale(home / "data")
        offset = log.stat().st_size if log.exists() else 0
        try:
            return _launch_once(programs, home / "data", account, chosen, log)
        except ChildDiedError:
            text = "\n".join(files.tail(log, 50, offset))
            is_passing = "pre-existing shared memory" in text or ("Address already in use" in text and port is None)
            if not is_passing or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _choose_port(home: Path, wanted: int | None) -> int:
    identity = identity_of(home)
    if wanted is not None and not ports.is_free(wanted):
        message = f"port {wanted} on 127.0.0.1 is taken: choose another for Postgres, or stop what listens there"
        raise StackError(message)
    is_kept = identity.port is not None and ports.is_free(identity.port)
    chosen = wanted or (identity.port if is_kept and identity.port else ports.free_port())
    remember(home, Identity(identity.password, chosen))
    return chosen


def _launch_once(programs: Path, data: Path, account: accounts.Account | None, port: int, log: Path) -> None:
    offset = log.stat().st_size if log.exists() else 0
    command = [str(programs / "postgres"), "-D", str(data), "-p", str(port)]
    for name, value in _SETTINGS.items():
        command += ["-c", f"{name}={value}"]
    with files.append_private(log) as output:
        child = accounts.spawn(account, command, output)
    processes.wait_until(lambda: child.poll() is not None or _status(data) == "ready", _START_SECONDS)
    if child.poll() is not None:
        raise death(_NAME, log, offset)
    if _status(data) != "ready":
        message = f"Postgres is not ready after {_START_SECONDS:.0f} s: see {log}"
        raise StackError(message)


def _server(home: Path, folder: Path, log: Path) -> Server:
    found, identity = postmaster.find(home / "data"), identity_of(home)
    if found is None:
        raise death(_NAME, log, 0)
    url = f"postgresql://postgres:{identity.password}@127.0.0.1:{found.port}/{initdb.DATABASE}"
    return Server("postgres", url, found.pid, found.port, identity.password, folder, log)
