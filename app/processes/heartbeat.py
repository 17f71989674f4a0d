"""The row of a dispatcher or webhooks process: it is written only while the process's loop goes round."""

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Mapping
from typing import Any, Final, Literal
from uuid import uuid4

import asyncpg

from app.core.errors import Unavailable
from app.core.seldom import Seldom
from app.db import Database, timelines
from app.processes import store

_log = logging.getLogger(__name__)
_seldom = Seldom(_log)

INTERVAL: Final = 1.0
STALE: Final = 15.0
"""Seconds after its last heartbeat in which a process counts as one that turns."""
_STANDS_STILL: Final = 5.0


class Turns:
    """When the loop of this process last came round, and what it says of itself."""

    def __init__(self) -> None:
        """Begin as one that has just come round."""
        self._at = time.monotonic()
        self.details: dict[str, Any] = {}

    def turned(self, **details: Any) -> None:
        """Say that a round is done; ``details`` are for the row."""
        self._at = time.monotonic()
        self.details = details

    @property
    def age(self) -> float:
        """How many seconds ago the last round was."""
        return time.monotonic() - self._at


async def beat(database: Database, kind: Literal["dispatcher", "webhooks"], turns: Turns) -> None:
    """Write the row each second until cancelled, then remove it; not while no round ends for 5 s."""
    process_id, hostname = uuid4(), socket.gethostname()
    is_first = True
    try:
        while True:
            # Another process of this host may have seen a newer timeline of Postgres.
            timelines.known().refresh()
            if turns.age < _STANDS_STILL:
                details: Mapping[str, Any] = {**turns.details, "round_age": round(turns.age, 3)}
                try:
                    async with database.transaction() as connection:
                        if is_first:
                            await store.forget_any_tenant(connection)
                        await store.beat_any_tenant(
                            connection, process_id, kind=kind, hostname=hostname, pid=os.getpid(), details=details
                        )
                    is_first = False
                except (Unavailable, asyncpg.PostgresError) as error:
                    _seldom.warn("heartbeat not written", reason=type(error.__cause__ or error).__name__)
            await asyncio.sleep(INTERVAL)
    finally:
        with contextlib.suppress(Unavailable, asyncpg.PostgresError):
            async with database.transaction() as connection:
                await store.remove_any_tenant(connection, process_id)
