"""The audit log: record who changed what, and read a tenant's events. Other rooms call this, not the store."""

import time
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import asyncpg

from app.audit import store
from app.audit.store import AuditFilter
from app.core import ids
from app.db import Connection
from app.identity.principal import Actor

__all__ = [
    "MAX_EVENTS_PER_DAY",
    "Actor",
    "AuditFilter",
    "acts_of_operators_any_tenant",
    "is_day_full",
    "page",
    "record",
]

_DAY_SECONDS: Final = 86_400

MAX_EVENTS_PER_DAY: Final = 1_000
"""Events that a tenant's own keys and members may cause in 24 hours.

Beyond it, changes that give rights are refused. Changes that take rights away never are.
"""


async def record(
    connection: Connection,
    tenant_id: UUID | None,
    actor: Actor,
    action: str,
    thing: str,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write one event in the transaction of the change itself.

    ``action`` is in the past tense (``tenant.created``); ``thing`` names what was changed; ``tenant_id`` is ``None``
    for a change that concerns the whole service.
    """
    await store.insert(connection, tenant_id, actor, action, thing, dict(detail or {}))


async def is_day_full(connection: Connection, tenant_id: UUID) -> bool:
    """Return whether the tenant's keys and members have caused ``MAX_EVENTS_PER_DAY`` events within 24 hours."""
    # An id carries the time at which a process made it, so the index on ids also serves times.
    yesterday = ids.first_id_at(time.time() - _DAY_SECONDS)
    return await store.has_events_since(connection, tenant_id, yesterday, MAX_EVENTS_PER_DAY)


async def page(
    connection: Connection, tenant_id: UUID, wanted: AuditFilter, *, before: UUID, limit: int
) -> tuple[list[asyncpg.Record], UUID | None]:
    """Return up to ``limit`` of a tenant's events older than ``before``, newest first.

    One call reads a bounded number of events. When it has found fewer than ``limit`` and older ones were not read, the
    second value is the id of the oldest event that was read: the next page begins there.
    """
    return await store.page(connection, tenant_id, wanted, before=before, limit=limit)


async def acts_of_operators_any_tenant(
    connection: Connection, limit: int, about: UUID | None = None
) -> list[asyncpg.Record]:
    """Return the latest acts of operators, newest first, with their names; ``about`` one tenant, or all.

    Only for operators: a tenant sees neither the name of an operator nor its address.
    """
    return await store.acts_of_operators_any_tenant(connection, limit, about)
