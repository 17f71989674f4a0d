"""Starts and stops a Valkey of our own: loopback TCP with a password, nothing kept over a restart."""

import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from scripts.stack import account as accounts
from scripts.stack import binaries, files, locks, placement, ports, processes
from scripts.stack.errors import ChildDiedError, StackError
from scripts.stack.server import LOG_NAME, Identity, Server, death, identity_of, prepare_folder, remember

_NAME = "Valkey"
_START_SECONDS = 30.0
_WELCOME = b"+OK\r\n+PONG\r\n"
_STEPS = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))


def start(folder: Path, *, port: int | None = None, log: Path | None = None) -> Server:
    """Start the folder's Valkey, or find it running; without a port, the one it had or a free one."""
    folder = prepare_folder(folder)
    log = log or folder / LOG_NAME
    with locks.held(folder / "lock", "Another command is starting Valkey here; waiting for it ..."):
        home = placement.home_of(folder, accounts.account_for(folder / "data"))
        if _pid(home) is None:
            _launch(home, port, log)
        return _server(home, folder, log)


def stop(folder: Path, is_urgent: Callable[[], bool] = lambda: False) -> None:
    """Stop the folder's Valkey, if it runs."""
    folder = folder.resolve()
    if not folder.exists():
        return
    with locks.held(folder / "lock"):
        home = placement.placed_at(folder) or folder
        for number, seconds in _STEPS[1:] if is_urgent() else _STEPS:
            if (pid := _pid(home)) is None:
                return
            processes.send(pid, number)
            processes.wait_until(lambda: _pid(home) is None or is_urgent(), seconds)


def running_pid(folder: Path) -> int | None:
    """Return the pid of the folder's Valkey, if it runs."""
    folder = folder.resolve()
    return _pid(placement.placed_at(folder) or folder)


def _pid(home: Path) -> int | None:
    processes.reap()
    try:
        pid = int((home / "data" / "valkey.pid").read_text())
    except (OSError, ValueError):
        return None
    return pid if str(_config(home)) in processes.command_line(pid) else None


def _config(home: Path) -> Path:
    return home / "data" / "valkey.conf"


def _launch(home: Path, port: int | None, log: Path) -> None:
    account = accounts.account_for(home / "data")
    program = binaries.valkey_program(account)
    _configure(home, account, _choose_port(home, port))
    offset = log.stat().st_size if log.exists() else 0
    try:
        _launch_once(program, home, account, log)
    except ChildDiedError:
        # Somebody was quicker to take the port; unless it was asked for, another does as well.
        if port is not None or "already in use" not in "\n".join(files.tail(log, 50, offset)):
            raise
        _launch(home, port, log)


def _choose_port(home: Path, wanted: int | None) -> int:
    identity = identity_of(home)
    if wanted is not None and not ports.is_free(wanted):
        message = f"port {wanted} on 127.0.0.1 is taken: choose another for Valkey, or stop what listens there"
        raise StackError(message)
    is_kept = identity.port is not None and ports.is_free(identity.port)
    chosen = wanted or (identity.port if is_kept and identity.port else ports.free_port())
    remember(home, Identity(identity.password, chosen))
    return chosen


def _configure(home: Path, account: accounts.Account | None, port: int) -> None:
    data = home / "data"
    if not data.exists():
        data.mkdir(mode=0o700)
        accounts.give(data, account)
    files.write_private(_config(home), _settings(data, port, identity_of(home).password))
    accounts.give(_config(home), account)


def _settings(data: Path, port: int, password: str) -> str:
    return f"""\
bind 127.0.0.1
port {port}
requirepass {password}
dir "{data}"
pidfile "{data / "valkey.pid"}"
# The command line stays as it was: it is how we know our server.
set-proc-title no
daemonize no
# Postgres is the truth: nothing here needs to be kept, and nothing may be thrown away for room.
save ""
appendonly no
maxmemory-policy noeviction
"""


def _launch_once(program: Path, home: Path, account: accounts.Account | None, log: Path) -> None:
    offset, identity = log.stat().st_size if log.exists() else 0, identity_of(home)
    with files.append_private(log) as output:
        child = accounts.spawn(account, [str(program), str(_config(home))], output)
    _wait_for_answer(identity, child)
    if child.poll() is not None:
        raise death(_NAME, log, offset)


def _wait_for_answer(identity: Identity, child: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not answers(identity.port or 0, identity.password):
        if child is not None and child.poll() is not None:
            return
        if time.monotonic() > deadline:
            message = f"Valkey on port {identity.port} does not answer: stop it with scripts/down and start again"
            raise StackError(message)
        time.sleep(0.01)


def answers(port: int, password: str) -> bool:
    """Tell whether a server lets us in with the password and answers a PING."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2.0) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            answer = b""
            while answer.count(b"\n") < _WELCOME.count(b"\n") and (more := connection.recv(256)):
                answer += more
    except OSError:
        return False
    return answer == _WELCOME


def _server(home: Path, folder: Path, log: Path) -> Server:
    identity = identity_of(home)
    _wait_for_answer(identity)
    # The server writes its pid file while it starts, before it answers.
    pid, port = _pid(home), identity.port
    if pid is None or port is None:
        raise death(_NAME, log, 0)
    url = f"redis://:{identity.password}@127.0.0.1:{port}/0"
    return Server("valkey", url, pid, port, identity.password, folder, log)
