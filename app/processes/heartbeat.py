"""Write the heartbeat of a dispatcher or webhooks process, but only while the loop of the process goes round."""

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal
from uuid import uuid4

import asyncpg

from app.core import secrets
from app.core.config import get_settings
from app.core.errors import Unavailable
from app.core.log_limiter import LogLimiter
from app.db import Database, timelines
from app.metrics import gauges
from app.metrics.gauges import Value
from app.processes import store

_log = logging.getLogger(__name__)
_log_limiter = LogLimiter(_log)

INTERVAL: Final = 1.0
"""Seconds between two heartbeats."""
STALE: Final = 15.0
"""Seconds after its last heartbeat for which a process counts as alive."""
# Rounds of which the row shows how long each took, with the pause before it.
_RECENT: Final = 10
# Seconds since the last round after which the loop counts as blocked, so that no heartbeat is written.
_ROUND_TIMEOUT: Final = 5.0


class Rounds:
    """The time of this process's last round, and the details that its row shows."""

    def __init__(self) -> None:
        """Start as if a round had just ended."""
        self._at = time.monotonic()
        self._recent: deque[float] = deque(maxlen=_RECENT)
        self.details: dict[str, Any] = {}

    def ended(self, **details: Any) -> None:
        """Note that a round has ended; ``details`` are written into the row."""
        began, self._at = self._at, time.monotonic()
        self._recent.append(round(self._at - began, 3))
        self.details = details

    @property
    def age(self) -> float:
        """Seconds since the last round."""
        return time.monotonic() - self._at

    @property
    def shown(self) -> Mapping[str, Any]:
        """The details with the times of the last rounds, in seconds, the newest last."""
        return {**self.details, "round_age": round(self.age, 3), "recent_rounds": list(self._recent)}


def _gauges(rounds: Rounds) -> Iterable[Value]:
    yield Value("taskqueue_round_age_seconds", rounds.age)
    if "leads" in rounds.details:
        yield Value("taskqueue_leads", bool(rounds.details["leads"]))


async def beat(database: Database, kind: Literal["dispatcher", "webhooks", "operator"], rounds: Rounds) -> None:
    """Write the row each second until cancelled, then delete it. Pause while no round has ended for 5 s."""
    process_id, hostname = uuid4(), socket.gethostname()
    is_first = True
    gauges.add(lambda: _gauges(rounds))
    try:
        while True:
            # Another process of this host may have seen a newer timeline of Postgres. Then this one must not write.
            timelines.known().refresh()
            if rounds.age < _ROUND_TIMEOUT:
                # So that scripts/admin doctor finds a host that was left out when the file was copied.
                details = {**rounds.shown, "secrets": secrets.fingerprint_of(get_settings().secrets_file)}
                try:
                    # Without a transaction around it, a heartbeat is one round trip.
                    async with database.statement() as connection:
                        # Old rows are deleted once for each start, because only killed processes leave them behind.
                        if is_first:
                            await store.forget_any_tenant(connection)
                        await store.beat_any_tenant(
                            connection, process_id, kind=kind, hostname=hostname, pid=os.getpid(), details=details
                        )
                    is_first = False
                except (Unavailable, asyncpg.PostgresError) as error:
                    _log_limiter.warn("heartbeat not written", reason=type(error.__cause__ or error).__name__)
            await asyncio.sleep(INTERVAL)
    finally:
        # A row that cannot be deleted now is deleted by the next process that starts, after 5 minutes.
        with contextlib.suppress(Unavailable, asyncpg.PostgresError):
            async with database.transaction() as connection:
                await store.remove_any_tenant(connection, process_id)
