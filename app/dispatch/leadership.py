"""Elect one of several dispatchers: the leader holds the lease, a row in Postgres that it renews each second.

The lease needs no session, so it works through a pooler that gives each transaction another connection. The lease is
also a fence: every statement of a sweep that changes something contains the lease's token. So a leader that was stopped
and comes back after another one has taken over changes nothing.
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
"""Seconds without a renewal after which another dispatcher may take over."""
RENEW_INTERVAL: Final = 1.0
# Seconds for giving up the lease at the end: Postgres may be unavailable, and the lease expires in any case.
_RELEASE_TIMEOUT: Final = 2.0


class Lead:
    """The right to lead for a while: a connection for the sweeps, and the token for their statements."""

    def __init__(self, connection: Connection, token: UUID, until: float) -> None:
        """``until`` is a time of ``time.monotonic``, a clock that also runs while the process is stopped."""
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
        # Measured before the request, so that this process never believes in the lease longer than Postgres does.
        asked_at = time.monotonic()
        async with database.statement() as connection:
            is_ours = await store.renew_lease_any_tenant(connection, self.token, seconds=LEASE)
        self._until = asked_at + LEASE if is_ours else 0.0


@contextlib.asynccontextmanager
async def lead(database: Database, contact: PostgresContact) -> AsyncIterator[Lead | None]:
    """Yield the lead, and renew its lease while the block runs. Yield None if another dispatcher leads.

    ``database`` logs in as tq_dispatch. It is used for the lease only, so that no sweep delays a renewal. A standby
    takes over at most 4 s after the last renewal. Raises ``db.AWAY`` or ``Unavailable`` if Postgres is unavailable.
    """
    token, asked_at = uuid4(), time.monotonic()
    async with database.statement() as connection:
        is_ours, now = await store.take_lease_any_tenant(connection, token, seconds=LEASE, holder=_holder())
    contact.answered(now)
    if not is_ours:
        yield None
        return
    held: Lead | None = None
    # From here on the lease must be released, also if the second connection fails: a standby would wait for 4 s.
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
        except Exception as error:  # noqa: BLE001 the lease lasts 4 s, so there is time for further attempts
            _log.warning("cannot renew the dispatcher's lease; retrying", extra={"error": type(error).__name__})


async def _release(database: Database, token: UUID) -> None:
    # Postgres may be unavailable, or another dispatcher may lead already: then there is nothing to release.
    with contextlib.suppress(*AWAY, Unavailable):
        async with asyncio.timeout(_RELEASE_TIMEOUT), database.statement() as connection:
            await store.release_lease_any_tenant(connection, token)


def _holder() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"
