"""Connections to Redis or Valkey that give up soon: without it a request is still answered."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff


def connect(url: str) -> Redis:
    """Return a client that connects when it is first used: 1 s to connect, 2 s to answer, one more try; bytes out."""
    return Redis.from_url(
        url,
        socket_connect_timeout=1,
        socket_timeout=2,
        retry=Retry(NoBackoff(), retries=1),
        decode_responses=False,
    )
