"""The Redis client gives up soon, and its errors are named as what they are."""

import socket
import ssl
from time import monotonic

import pytest
from redis import exceptions
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.core.redis import connect, reason


async def test_a_silent_server_costs_two_tries_and_no_more() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = connect(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        began = monotonic()
        with pytest.raises(RedisTimeoutError):
            await client.ping()
        assert monotonic() - began < 6
        await client.aclose()


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (RedisConnectionError("Error 111 connecting to 127.0.0.1:1."), "Redis is away"),
        (RedisTimeoutError("Timeout reading from socket"), "Redis is away"),
        (TimeoutError(), "Redis is away"),
        (BrokenPipeError(), "Redis is away"),
        (exceptions.ReadOnlyError("You can't write against a read only replica."), "read-only (a replica)"),
        (exceptions.ResponseError("READONLY You can't write against a read only replica. script: a"), "read-only"),
        (exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), "full (maxmemory)"),
        (exceptions.MovedError("3999 127.0.0.1:6381"), "a Cluster"),
        (exceptions.ClusterDownError("Hash slot not served"), "a Cluster"),
        (exceptions.BusyLoadingError("Redis is loading the dataset in memory"), "is starting"),
        (exceptions.ResponseError("MISCONF Redis is configured to save RDB snapshots"), "cannot save to its disk"),
        (exceptions.AuthenticationError("invalid username-password pair"), "user or the password"),
        (exceptions.NoPermissionError("User tq has no permissions to run the 'info' command"), "the command info"),
        (exceptions.NoPermissionError("No permissions to access a channel"), "a key, a channel or a command"),
        (exceptions.ResponseError("ACL failure in script: User a has no permissions to run the 'get' command"), "get"),
        (RedisConnectionError("max number of clients reached"), "maxclients"),
        (exceptions.ResponseError("ERR unknown command 'LMOVE'"), "answers with an error: ERR unknown"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_an_error_is_named_as_what_it_is(error: Exception, named: str) -> None:
    said = reason(error)
    assert named in said
    assert ("is away" in said) == (named == "Redis is away")


def test_the_cause_of_an_error_is_named() -> None:
    outer = RedisConnectionError("Error connecting")
    outer.__cause__ = ssl.SSLCertVerificationError("self-signed certificate in certificate chain")
    assert "ssl_ca_certs" in reason(outer)
