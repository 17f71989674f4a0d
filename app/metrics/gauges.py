"""The values that a process reads when it is asked: what it has, and what its parts know."""

import shutil
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from app.core import schema
from app.core.config import get_settings
from app.db import pool


class Value(NamedTuple):
    """The value of a gauge now."""

    name: str
    value: float
    labels: tuple[str, ...] = ()


_sources: Final[list[Callable[[], Iterable[Value]]]] = []


def add(source: Callable[[], Iterable[Value]]) -> None:
    """Add a source of values. It is asked on another thread for each scrape, so it reads memory alone."""
    _sources.append(source)


def read(kind: str) -> list[Value]:
    """Return all values of a process of this kind."""
    own = [Value("taskqueue_process_info", 1, (kind, schema.EXPECTED)), *_pools(), *_disk()]
    return own + [value for source in _sources for value in source()]


def _pools() -> Iterable[Value]:
    for role, usage in pool.usage().items():
        for state in ("open", "idle", "max"):
            yield Value("taskqueue_pool_connections", getattr(usage, state), (role, state))
        yield Value("taskqueue_pool_waiting", usage.waiting, (role,))


def _disk() -> Iterable[Value]:
    try:
        found = shutil.disk_usage(get_settings().secrets_file.parent)
    except OSError:
        # The folder has gone. Other parts say so.
        return
    yield Value("taskqueue_disk_free_bytes", found.free)
    yield Value("taskqueue_disk_size_bytes", found.total)
