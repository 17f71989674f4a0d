"""Know the task types that tenants have declared. Each process reads them when a request names one."""

import json
import time
from collections import OrderedDict
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from app.db import Database
from app.tasks import own_type_store
from app.tasks.definition.json_schemas import Schema
from app.tasks.definition.own_types import OwnType, RetryPolicy

if TYPE_CHECKING:
    import asyncpg

# Seconds for which what was read is valid. So a change counts in every process after this time.
_FRESH: Final = 1.0
# Tenants that are remembered.
_MAX_TENANTS: Final = 1_000


class _Known(NamedTuple):
    read_at: float
    types: Mapping[str, OwnType]


class OwnTypes:
    """The own task types of the tenants that have asked for one lately."""

    def __init__(self, reader: Database) -> None:
        """``reader`` logs in as tq_api."""
        self._reader = reader
        self._known: OrderedDict[UUID, _Known] = OrderedDict()

    async def of(self, tenant_id: UUID, *names: str) -> Mapping[str, OwnType]:
        """Return a tenant's own types by name. They are at most a second old, and new if one of ``names`` is missing.

        Raises ``Unavailable``.
        """
        known = self._known.get(tenant_id)
        now = time.monotonic()
        if known is not None and now - known.read_at < _FRESH and known.types.keys() >= set(names):
            return known.types
        async with self._reader.transaction(tenant_id) as connection:
            rows = await own_type_store.all_types(connection, tenant_id)
        types = {row["name"]: own_type(row) for row in rows}
        self._known[tenant_id] = _Known(now, types)
        self._known.move_to_end(tenant_id)
        if len(self._known) > _MAX_TENANTS:
            self._known.popitem(last=False)
        return types

    def forget(self, tenant_id: UUID) -> None:
        """Read a tenant's types again next time: this process has changed one."""
        self._known.pop(tenant_id, None)


def own_type(row: "asyncpg.Record") -> OwnType:
    """Return a stored task type."""
    return OwnType(
        name=row["name"],
        max_attempts=row["max_attempts"],
        time_limit=row["time_limit"],
        lease_seconds=row["lease_seconds"],
        retry=RetryPolicy(row["retry_backoff"], row["retry_backoff_max"], row["retry_jitter"]),
        payload_schema=_schema(row["payload_schema"]),
        result_schema=_schema(row["result_schema"]),
    )


def _schema(text: str | None) -> Schema | None:
    return None if text is None else _compiled(text)


# Compiled once for each text, because the types of a tenant are read again each second. A compiled schema takes some
# hundred KB at most.
@lru_cache(maxsize=500)
def _compiled(text: str) -> Schema:
    return Schema(json.loads(text))
