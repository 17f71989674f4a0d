"""A folder is a Valkey: the same address after a restart, nothing kept, nothing thrown away for room."""

import socket
import time
from pathlib import Path

import pytest
import redis

from scripts.stack import embedded, valkey
from scripts.stack.embedded import Server
from scripts.stack.errors import StackError


def connect(server: Server) -> "redis.Redis":
    """Connect with the server's own URL."""
    return redis.Redis.from_url(server.url, socket_timeout=5)


def test_after_a_kill_it_is_at_the_same_address_and_empty(scratch: Path) -> None:
    server = embedded.start_valkey(scratch / "valkey")
    with connect(server) as client:
        client.set("key", "value")
    embedded.kill(server)
    again = embedded.start_valkey(scratch / "valkey")
    assert again.url == server.url
    with connect(again) as client:
        assert client.dbsize() == 0


def test_a_second_start_finds_the_first(scratch: Path) -> None:
    server = embedded.start_valkey(scratch / "valkey")
    assert embedded.start_valkey(scratch / "valkey") == server


def test_it_never_evicts_and_writes_no_snapshot(scratch: Path) -> None:
    with connect(embedded.start_valkey(scratch / "valkey")) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("save") == {"save": ""}
        assert client.config_get("appendonly") == {"appendonly": "no"}


def test_a_wrong_password_is_refused(scratch: Path) -> None:
    server = embedded.start_valkey(scratch / "valkey")
    assert valkey.answers(server.port, server.password)
    started = time.monotonic()
    assert not valkey.answers(server.port, "wrong")
    assert time.monotonic() - started < 1


def test_a_taken_port_that_was_asked_for_is_an_error(scratch: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(StackError, match=f"port {port} .* is taken"):
            embedded.start_valkey(scratch / "valkey", port=port)


def test_a_stale_pid_file_is_no_obstacle(scratch: Path) -> None:
    server = embedded.start_valkey(scratch / "valkey")
    embedded.kill(server)
    (scratch / "valkey" / "data" / "valkey.pid").write_text("1\n")
    assert embedded.start_valkey(scratch / "valkey").pid not in {1, server.pid}


def test_stop_leaves_no_process(scratch: Path) -> None:
    server = embedded.start_valkey(scratch / "valkey")
    embedded.stop(server)
    assert valkey.running_pid(scratch / "valkey") is None
    assert not valkey.answers(server.port, server.password)
