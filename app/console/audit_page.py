"""The audit log: who changed what."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from starlette.responses import Response

from app.audit import log
from app.audit.log import AuditFilter
from app.console.visit import Visit
from app.identity.paging import Page

_PAGE_SIZE: Final = 50
_ACTION: Final = re.compile(r"[a-z._]{1,64}")
_ACTOR: Final = re.compile(r"[!-~]{1,254}")


class _Change(NamedTuple):
    """One change."""

    event_id: UUID
    action: str
    object: str
    detail: Mapping[str, Any]
    created_at: datetime
    actor_type: str
    actor: str | None
    """None for an operator, who is not named."""
    address: str | None


async def show(visit: Visit) -> Response:
    """Show a page of the log, newest first. A filter that makes no sense is ignored."""
    query = visit.request.query_params
    action, actor = query.get("action", "").strip(), query.get("actor", "").strip()
    wanted = AuditFilter(
        action if _ACTION.fullmatch(action) else None, actor if _ACTOR.fullmatch(actor) else None, None, None
    )
    tenant_id = visit.tenant_id
    page = Page(_PAGE_SIZE, query.get("cursor"), visit.request, Response())
    before = page.before(tenant_id)
    async with page.place(tenant_id), visit.parts.accounts.transaction(tenant_id) as connection:
        rows, read_to = await log.page(connection, tenant_id, wanted, before=before, limit=_PAGE_SIZE + 1)
    items, next_cursor = page.cut(tenant_id, [_Change(**row) for row in rows], "event_id", read_to)
    return visit.page(
        "audit.html",
        entries=items,
        next_cursor=next_cursor,
        action=action,
        actor=actor,
        is_first=not query.get("cursor"),
    )
