"""Connections to Redis or Valkey that give up soon, because requests are answered without Redis too.

Also the causes of Redis errors, in plain words.
"""

import re
import ssl
from collections.abc import Iterator
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError

_AWAY: Final = "Redis is away: it cannot be reached, or does not answer in time"
_UNTRUSTED: Final = "Redis's certificate is not trusted: name the CA's file in REDIS_URL (?ssl_ca_certs=/path/ca.crt)"
_REFUSED: Final = "Redis refuses the user or the password of REDIS_URL"
_READ_ONLY: Final = "Redis is read-only (a replica): point REDIS_URL to the primary"
_FULL: Final = "Redis is full (maxmemory): give it more memory"
_CLUSTER: Final = "Redis is a Cluster: name a single node without cluster-enabled in REDIS_URL"

# By the first word of the server's error, which is stable. Details of a script's error follow after it.
_BY_CODE: Final = {
    "READONLY": _READ_ONLY,
    "OOM": _FULL,
    "MOVED": _CLUSTER,
    "ASK": _CLUSTER,
    "CROSSSLOT": _CLUSTER,
    "CLUSTERDOWN": _CLUSTER,
    "TRYAGAIN": _CLUSTER,
    "LOADING": "Redis is starting: it loads its data",
    "BUSY": "Redis is busy with a script of somebody else's",
    "MISCONF": "Redis refuses writes: it cannot save to its disk (its own log says why)",
    "NOREPLICAS": "Redis refuses writes: it has fewer replicas than min-replicas-to-write",
    "MASTERDOWN": "Redis is a replica that has lost its primary: point REDIS_URL to the primary",
    "NOAUTH": _REFUSED,
    "WRONGPASS": _REFUSED,
}
# redis-py removes the first word if it has a class for the error.
_BY_CLASS: Final = {
    "ReadOnlyError": "READONLY",
    "OutOfMemoryError": "OOM",
    "MovedError": "MOVED",
    "AskError": "ASK",
    "ClusterCrossSlotError": "CROSSSLOT",
    "ClusterDownError": "CLUSTERDOWN",
    "TryAgainError": "TRYAGAIN",
    "BusyLoadingError": "LOADING",
    "MasterDownError": "MASTERDOWN",
}
# Errors of missing rights. Valkey and Redis use different words if a script meets one.
_DENIALS: Final = ("NOPERM", "ACL failure in script", "executing the script can't")
# redis-py's errors of the connection itself, by name: everything else is an answer of the server.
_OF_THE_LINE: Final = ("ConnectionError", "TimeoutError", "MaxConnectionsError")
_COMMAND: Final = re.compile(r"run the '([a-z|]{1,40})' command")


def connect(url: str) -> Redis:
    """Return a client that connects when it is first used. Replies are bytes.

    It waits 1 s for a connection and 2 s for a reply, and tries a failed command once more.
    """
    return Redis.from_url(
        url,
        socket_connect_timeout=1,
        socket_timeout=2,
        retry=Retry(NoBackoff(), retries=1),
        # Ids travel as 16 bytes each, which are no valid text.
        decode_responses=False,
    )


def reason(error: BaseException) -> str:
    """Return in plain words why a command failed, and what to do. It says "away" only if Redis did not answer."""
    # The cause may be inside: redis-py wraps the error of a certificate in a ConnectionError.
    for one in _chain(error):
        if named := _named(one):
            return named
    if not isinstance(error, RedisError) or type(error).__name__ in _OF_THE_LINE:
        return _AWAY
    return f"Redis answers with an error: {str(error)[:200]}"


def _named(error: BaseException) -> str | None:
    kind, text = type(error).__name__, str(error)
    if kind == "NoPermissionError" or any(sign in text for sign in _DENIALS):
        return _denied(text)
    if isinstance(error, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY" in text:
        return _UNTRUSTED
    if isinstance(error, AuthenticationError):
        return _REFUSED
    if "max number of clients" in text:
        return "Redis has no connection left (maxclients)"
    return _BY_CODE.get(_BY_CLASS.get(kind) or text.partition(" ")[0])


def _denied(text: str) -> str:
    command = _COMMAND.search(text)
    what = f"the command {command[1]}" if command else "a key, a channel or a command"
    return f"Redis denies the user of REDIS_URL {what}: see the rights in docs/postgres-and-redis.md"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
