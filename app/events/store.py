"""SQL of the event log. Events are written by the functions that end tasks, in the same statement."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from app.db import Connection, call

if TYPE_CHECKING:
    import asyncpg

    # At run time it would bring the web framework, and the dispatcher drops days without it.
    from app.events.ask import Ask

WINDOW: Final = 1_000
"""The most events that a page with a filter reads."""

_CALL_PAGE: Final = call(
    "events_page", "tenants", "after", "after_ids", "since", "hours", "limits", "types", "tasks", "tags", "window"
)
_PAGE: Final = f"""
SELECT number, outcome, head, seq, id, type, created_at, attempt, subject, task, tags, error, data FROM {_CALL_PAGE}
"""  # noqa: S608 a constant of names

_CALL_HEADS: Final = call("event_heads", "tenants")
_HEADS: Final = f"SELECT tenant_id, head FROM {_CALL_HEADS}"  # noqa: S608 a constant of names


async def pages_any_tenant(connection: Connection, asked: "Sequence[Ask]") -> "list[asyncpg.Record]":
    """Read a page for each of the readers (migrations/functions: events_page)."""
    return list(
        await connection.fetch(
            _PAGE,
            [ask.tenant_id for ask in asked],
            [ask.after.seq for ask in asked],
            [ask.after.id for ask in asked],
            [ask.after.since for ask in asked],
            [ask.hours for ask in asked],
            [ask.limit for ask in asked],
            [ask.type and ask.type.number for ask in asked],
            [ask.task for ask in asked],
            [ask.tag for ask in asked],
            WINDOW,
        )
    )


async def heads_any_tenant(connection: Connection, tenant_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return the number of each tenant's latest event."""
    return {row["tenant_id"]: row["head"] for row in await connection.fetch(_HEADS, tenant_ids)}


async def drop_days_any_tenant(connection: Connection, kept: timedelta, fence: UUID) -> int:
    """Drop the days of events older than ``kept`` (migrations/functions: drop_event_days); return how many.

    ``fence`` is the token of the dispatcher's lease.
    """
    dropped: int | None = await connection.fetchval(
        "SELECT drop_event_days(p_before => now() - $1::interval) WHERE (SELECT dispatcher_leads(p_token => $2))",
        kept,
        fence,
    )
    return dropped or 0
