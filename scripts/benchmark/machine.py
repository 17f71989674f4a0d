"""Where a run took place: versions, cores, load, and what a flush costs there."""

import os
import platform
import tempfile
import time
from importlib import metadata

from redis import Redis

from scripts.benchmark import database, percentiles
from scripts.stack.stackfile import Stack

_PACKAGES = ("uvicorn", "uvloop", "fastapi", "sqlmodel", "asyncpg", "celery", "kombu", "redis")
_FLUSHES = 200


def describe() -> dict[str, str]:
    """Return what can be told before anything runs."""
    return {
        "Python": platform.python_version(),
        "packages": ", ".join(f"{name} {metadata.version(name)}" for name in _PACKAGES),
        "kernel": f"{platform.system()} {platform.release().partition('-')[0]}",
        "cores": str(len(os.sched_getaffinity(0))),
        "flush of 8 kB (fdatasync, median)": f"{_flush_milliseconds():.2f} ms",
        "load average at the start": load_average(),
    }


def servers_of(stack: Stack) -> dict[str, str]:
    """Return the servers' versions."""
    with Redis.from_url(stack.redis_url or "") as client:
        about = client.info("server")
    assert isinstance(about, dict)  # noqa: S101 for the type checker: the client is not async
    return {
        "Postgres": str(database.value(stack.database_url or "", "SHOW server_version")),
        "Valkey": str(about.get("valkey_version") or about["redis_version"]),
    }


def load_average() -> str:
    """Return the machine's load over 1, 5 and 15 minutes."""
    return ", ".join(f"{load:.2f}" for load in os.getloadavg())


def _flush_milliseconds() -> float:
    # Where the scratch folders are: a RAM disk would make every commit free, and show here.
    with tempfile.TemporaryFile() as file:
        return percentiles.median([_flush(file.fileno()) for _ in range(_FLUSHES)]) * 1000


def _flush(descriptor: int) -> float:
    began = time.perf_counter()
    os.pwrite(descriptor, b"x" * 8192, 0)
    os.fdatasync(descriptor)
    return time.perf_counter() - began
