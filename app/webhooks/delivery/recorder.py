"""Record attempts in groups: those that end while one group is written form the next one."""

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Final, TypeAlias
from uuid import UUID
from weakref import WeakValueDictionary

import asyncpg

from app.core import retry
from app.core.batcher import Batcher
from app.core.errors import Unavailable
from app.db import AWAY, Database
from app.webhooks import attempt_store, endpoint_state_store
from app.webhooks.attempt_store import EndedAttempt

_log = logging.getLogger(__name__)

FAILING_AFTER: Final = timedelta(hours=1)
"""Time for which every attempt fails before the event endpoint.failing."""
DISABLED_AFTER: Final = timedelta(days=5)
"""Time for which every attempt fails before the endpoint is disabled."""
_MAX_GROUP: Final = 100
_TIMEOUT: Final = 10.0
_AWAY: Final = (Unavailable, *AWAY, asyncpg.PostgresError)

_Recorded: TypeAlias = bool | Exception | None
"""True if there is something to tell of the endpoint; None if the claim was lost; an error of this attempt alone."""


class Recorder:
    """Records the attempts of one process."""

    def __init__(self, database: Database, time_scale: float = 1.0) -> None:
        """``database`` logs in as tq_webhook. ``time_scale`` below 1 shortens the times until an endpoint fails."""
        self._database = database
        self._times = {"failing_after": FAILING_AFTER * time_scale, "disabled_after": DISABLED_AFTER * time_scale}
        # Of tenants that are telling now: the lock of another one has no reference, and is gone.
        self._telling = WeakValueDictionary[UUID, asyncio.Lock]()
        self._batcher = Batcher[EndedAttempt, _Recorded](self._write, max_items=_MAX_GROUP, timeout=None)

    async def record(self, ended: EndedAttempt, *, until: float) -> bool:
        """Record an attempt; return whether its claim was still valid.

        While Postgres is away it is repeated until ``until``, a time of ``time.monotonic()``, when the claim ends.
        After that the delivery is sent once more.
        """

        def warn(error: Exception, _: float) -> None:
            facts = {"delivery_id": str(ended.claim.id), "error": type(error).__name__}
            _log.warning("delivery not recorded yet", extra=facts)

        try:
            return await retry.until_back(lambda: self._record_once(ended), _AWAY, warn, until=until)
        except _AWAY:
            return False

    async def _record_once(self, ended: EndedAttempt) -> bool:
        # What this attempt says by itself is written first: after it, a crash could leave nobody who says it.
        is_decisive = ended.status == "FAILED" or ended.response_status == HTTPStatus.GONE
        if is_decisive:
            await self._tell(ended)
        recorded = await self._batcher.ask(ended)
        if isinstance(recorded, Exception):
            raise recorded
        if recorded and not is_decisive:
            await self._tell(ended)
        return recorded is not None

    async def _tell(self, ended: EndedAttempt) -> None:
        """Write that an endpoint fails; perhaps an event says so. The webhook_url of a task has no endpoint."""
        claim = ended.claim
        if claim.endpoint_id is None or claim.is_test:
            return
        # One at a time of each tenant, as they wait for its slots: these may be held for long, and each that waits uses
        # a connection, which others need.
        turn = self._telling.setdefault(claim.tenant_id, asyncio.Lock())
        # By itself: the tenant's slots are locked before the endpoint, and no delivery is held meanwhile.
        async with turn, self._database.transaction(claim.tenant_id) as connection:
            await endpoint_state_store.record_failure(
                connection,
                claim.tenant_id,
                claim.endpoint_id,
                is_gone=ended.response_status == HTTPStatus.GONE,
                is_last=ended.status == "FAILED",
                **self._times,
            )

    async def _write(self, group: Sequence[EndedAttempt]) -> list[_Recorded]:
        try:
            async with asyncio.timeout(_TIMEOUT), self._database.statement() as connection:
                found = await attempt_store.record_any_tenant(connection, group, **self._times)
        except asyncpg.PostgresError as error:
            if len(group) == 1:
                raise
            # About one of them, or about a row that somebody holds: the others must not wait for it.
            return await self._write_each(group, error)
        return [found.get(one.claim.id) for one in group]

    async def _write_each(self, group: Sequence[EndedAttempt], error: Exception) -> list[_Recorded]:
        # For so long at most: where each of them has to wait, those of the next groups would lose their claims.
        until = time.monotonic() + _TIMEOUT
        return [await self._write_alone(one) if time.monotonic() < until else error for one in group]

    async def _write_alone(self, ended: EndedAttempt) -> _Recorded:
        try:
            return (await self._write([ended]))[0]
        except _AWAY as error:
            return error
