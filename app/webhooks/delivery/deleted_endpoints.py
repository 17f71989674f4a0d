"""End the deliveries that wait for endpoints which were deleted, in bounded batches."""

import logging
from typing import Final
from uuid import UUID

from app.db import Database
from app.webhooks import deleted_endpoint_store

_log = logging.getLogger(__name__)

INTERVAL: Final = 1.0
"""Seconds between two looks. A look at an empty table is all that they cost where no endpoint was deleted."""
_MAX_ENDPOINTS: Final = 20
_BATCH: Final = 500


async def skip_waiting(database: Database) -> bool:
    """End a batch for each of some endpoints; return whether there is more to do at once.

    ``database`` logs in as tq_webhook. Raises what Postgres raises when it is away.
    """
    async with database.statement() as connection:
        found = await deleted_endpoint_store.some_any_tenant(connection, _MAX_ENDPOINTS)
    counts = [await _skip(database, tenant_id, endpoint_id) for tenant_id, endpoint_id in found]
    if sum(counts):
        _log.info("deliveries of deleted endpoints are skipped", extra={"count": sum(counts)})
    return _BATCH in counts


async def _skip(database: Database, tenant_id: UUID, endpoint_id: UUID) -> int:
    async with database.statement() as connection:
        count = await deleted_endpoint_store.skip(connection, tenant_id, endpoint_id, _BATCH)
        if count < _BATCH:
            await deleted_endpoint_store.forget(connection, tenant_id, endpoint_id)
    return count
