"""Whose a port is."""

import os
import socket

from scripts.stack import ports


def test_a_listening_port_is_held_by_its_process_and_no_other() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert ports.is_held_by(port, os.getpid())
        assert not ports.is_held_by(port, os.getppid())


def test_a_port_at_which_nobody_listens_is_held_by_nobody() -> None:
    assert not ports.is_held_by(ports.free_port(), os.getpid())


def test_the_next_free_port_passes_over_a_taken_one() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", ports.free_port()))
        listener.listen()
        assert ports.next_free(listener.getsockname()[1]) > listener.getsockname()[1]
