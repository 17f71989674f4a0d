"""The Redis client gives up soon."""

import socket
from time import monotonic

import pytest
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.core.redis import connect


async def test_a_silent_server_costs_two_tries_and_no_more() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = connect(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        began = monotonic()
        with pytest.raises(RedisTimeoutError):
            await client.ping()
        assert monotonic() - began < 6
        await client.aclose()
