"""Free TCP ports on the loopback interface."""

import random
import socket
from pathlib import Path

from scripts.stack import processes
from scripts.stack.errors import StackError

# Below Linux's ephemeral range, so that no outgoing connection takes the port while a server restarts.
_LOWEST, _HIGHEST = 20000, 32000
_LISTENING = "0A"


def is_free(port: int) -> bool:
    """Tell whether a server could listen on 127.0.0.1 at this port."""
    with socket.socket() as probe:
        # As servers do: a connection in TIME_WAIT does not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Pick a free port at random."""
    candidates = random.sample(range(_LOWEST, _HIGHEST), 200)
    return _first_free(candidates, "between 20000 and 32000")


def next_free(port: int) -> int:
    """Find the first free port from this one on."""
    return _first_free(range(port, min(port + 100, 65536)), f"from {port} to {port + 99}")


def is_held_by(port: int, pid: int) -> bool:
    """Tell whether this very process listens on 127.0.0.1 at this port; where no /proc tells: assume so."""
    table = Path("/proc/net/tcp")
    if not table.exists():
        return True
    rows = [line.split() for line in table.read_text().splitlines()[1:]]
    sockets = {f"socket:[{row[9]}]" for row in rows if row[1] == f"0100007F:{port:04X}" and row[3] == _LISTENING}
    return not sockets.isdisjoint(processes.open_files(pid))


def _first_free(candidates: range | list[int], where: str) -> int:
    for port in candidates:
        if is_free(port):
            return port
    message = f"no free port {where} on 127.0.0.1: stop something that listens there"
    raise StackError(message)
