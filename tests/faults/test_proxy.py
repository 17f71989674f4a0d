"""The proxy does to bytes what it is told to."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.faults.proxy import Proxy, Weather


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that answers what it is sent."""
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_serve, args=(listener,), daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


def _serve(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            near, _ = listener.accept()
            threading.Thread(target=_answer, args=(near,), daemon=True).start()


def _answer(near: socket.socket) -> None:
    with contextlib.suppress(OSError), near:
        while data := near.recv(65_536):
            near.sendall(data)


@pytest.fixture
def proxy(echo: int) -> Iterator[Proxy]:
    """A proxy before it."""
    made = Proxy(echo)
    yield made
    made.close()


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    """A connection through it."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as made:
        yield made


def _ask(client: socket.socket, data: bytes = b"ping") -> bytes:
    client.sendall(data)
    return client.recv(65_536)


def test_bytes_pass(client: socket.socket):
    assert _ask(client) == b"ping"


def test_bytes_are_late(proxy: Proxy, client: socket.socket):
    proxy.weather = Weather(delay_seconds=0.2)
    began = time.monotonic()
    assert _ask(client) == b"ping"
    assert time.monotonic() - began >= 0.4


def test_a_line_is_reset_after_some_bytes(proxy: Proxy, client: socket.socket):
    proxy.weather = Weather(reset_after_bytes=10)
    assert _ask(client) == b"ping"
    with pytest.raises(ConnectionResetError):
        _ask(client)
    assert proxy.cuts == 1


def test_a_silent_line_stays_open_and_is_reset_when_the_weather_clears(proxy: Proxy, client: socket.socket):
    proxy.weather = Weather(is_swallowing=True)
    client.settimeout(0.3)
    with pytest.raises(TimeoutError):
        _ask(client)
    proxy.clear()
    client.settimeout(5)
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_what_is_sent_arrives_and_its_answer_does_not(proxy: Proxy, client: socket.socket):
    proxy.weather = Weather(cut_at=b"COMMIT")
    assert _ask(client, b"BEGIN") == b"BEGIN"
    with pytest.raises(ConnectionResetError):
        _ask(client, b"COMMIT")


def test_a_refusing_proxy_lets_nobody_in(proxy: Proxy):
    proxy.weather = Weather(is_refusing=True)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as refused, pytest.raises(ConnectionError):
        if not _ask(refused):
            raise ConnectionError("closed")
