"""Elect one of several dispatchers: the one that holds the lease, a row that it renews each second.

The lease needs no session, so it works through a pooler that gives each transaction another connection. It is a fence
as well. Every sweep that changes something names the lease's token in its statement, so a leader that was stopped, and
comes back after another one has taken over, changes nothing.
"""

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID, uuid4

from app.core.errors import LeadLost, Unavailable
from app.db import AWAY, Connection, Database, connect, role_url
from app.dispatch import store
from app.dispatch.postgres_contact import PostgresContact

_log = logging.getLogger(__name__)

LEASE: Final = 4.0
"""Seconds. After so long without a renewal, another dispatcher may take over."""
RENEW_INTERVAL: Final = 1.0
_RELEASE_TIMEOUT: Final = 2.0


class Lead:
    """The right to lead for a while: a connection for the sweeps, and the token that each of them names."""

    def __init__(self, connection: Connection, token: UUID, until: float) -> None:
        """``until`` is a moment of ``time.monotonic``, which also counts while a process is stopped."""
        self.connection = connection
        self.token = token
        self._until = until

    @property
    def is_held(self) -> bool:
        """Return whether the lease is still valid, as far as this process knows."""
        return time.monotonic() < self._until

    def require(self) -> None:
        """Raise ``LeadLost`` if the lease has ended."""
        if not self.is_held:
            raise LeadLost

    async def renew(self, database: Database) -> None:
        """Extend the lease to 4 s from now, or find out that another dispatcher has it. Raises ``Unavailable``."""
        asked_at = time.monotonic()
        async with database.statement() as connection:
            is_ours = await store.renew_lease_any_tenant(connection, self.token, seconds=LEASE)
        self._until = asked_at + LEASE if is_ours else 0.0


@contextlib.asynccontextmanager
async def lead(database: Database, contact: PostgresContact) -> AsyncIterator[Lead | None]:
    """Yield the lead, renewed while the block lasts; None when another process leads.

    ``database`` logs in as tq_dispatch and serves the lease alone, so that no sweep keeps it waiting. A standby takes
    over at most 4 s after the lease was last renewed. Raises ``db.AWAY`` or ``Unavailable`` when Postgres is away.
    """
    token, asked_at = uuid4(), time.monotonic()
    async with database.statement() as connection:
        is_ours, now = await store.take_lease_any_tenant(connection, token, seconds=LEASE, holder=_holder())
    contact.answered(now)
    if not is_ours:
        yield None
        return
    held: Lead | None = None
    try:
        held = Lead(await connect(role_url("tq_dispatch")), token, asked_at + LEASE)
        async with _renewed(held, database):
            yield held
    finally:
        await _release(database, token)
        if held is not None:
            await held.connection.close(timeout=_RELEASE_TIMEOUT)


@contextlib.asynccontextmanager
async def _renewed(held: Lead, database: Database) -> AsyncIterator[None]:
    renewing = asyncio.create_task(_keep_renewing(held, database), name="lease")
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.wait([renewing])


async def _keep_renewing(held: Lead, database: Database) -> None:
    while held.is_held:
        await asyncio.sleep(RENEW_INTERVAL)
        try:
            await held.renew(database)
        except Exception as error:  # noqa: BLE001 the lease lasts for some seconds: it is renewed the next time, or ends
            _log.warning("the dispatcher's lease is not renewed", extra={"error": type(error).__name__})


async def _release(database: Database, token: UUID) -> None:
    # Postgres may be unavailable, or another dispatcher may lead already: then there is nothing to release.
    with contextlib.suppress(*AWAY, Unavailable):
        async with asyncio.timeout(_RELEASE_TIMEOUT), database.statement() as connection:
            await store.release_lease_any_tenant(connection, token)


def _holder() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"
