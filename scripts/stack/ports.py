"""Free TCP ports on the loopback interface."""

import random
import socket

from scripts.stack.errors import StackError

# Below Linux's ephemeral range, so that no outgoing connection takes the port while a server restarts.
_LOWEST, _HIGHEST = 20000, 32000


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


def _first_free(candidates: range | list[int], where: str) -> int:
    for port in candidates:
        if is_free(port):
            return port
    message = f"no free port {where} on 127.0.0.1: stop something that listens there"
    raise StackError(message)
