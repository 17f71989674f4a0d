"""The audit log of a tenant."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from app.audit import log
from app.audit.log import AuditFilter
from app.audit.parts import AuditParts
from app.core.errors import InvalidCursor, InvalidRequest, TooManyLists
from app.http.document_rules import headers
from app.http.problem import responses
from app.identity.dependencies import CallerRoute, KeyManager
from app.identity.paging import AskedPage, AskedTime

router: Final = APIRouter(prefix="/api", route_class=CallerRoute, tags=["audit"])


class AuditEntry(BaseModel):
    """One change: who did what, to what, and from where."""

    event_id: UUID
    action: str = Field(description="In the past tense: `key.issued`.")
    actor_type: Literal["operator", "api_key", "member", "service"]
    actor: str | None = Field(
        description="The key's id, the member's e-mail, or the part of the service; null for an operator."
    )
    object: str = Field(description="What it was done to: a key's id, a member's e-mail, the tenant's slug.")
    detail: dict[str, Any]
    address: str | None = Field(description="Network address of the client; null if there was none.")
    created_at: datetime


class AuditPage(BaseModel):
    """A page of the audit log, newest first."""

    items: list[AuditEntry]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


@router.get(
    "/audit",
    operation_id="list_audit_events",
    summary="Search the audit log",
    response_model=AuditPage,
    responses=responses(InvalidCursor, InvalidRequest, TooManyLists) | {200: headers("Link")},
)
async def list_audit_events(
    request: Request,
    principal: KeyManager,
    page: AskedPage,
    action: Annotated[
        str | None, Query(max_length=64, pattern="^[a-z._]+$", description="One action: `key.revoked`.")
    ] = None,
    actor: Annotated[
        str | None, Query(max_length=254, pattern="^[!-~]+$", description="A key's id, an e-mail, or `operator`.")
    ] = None,
    created_from: Annotated[AskedTime | None, Query()] = None,
    created_to: Annotated[AskedTime | None, Query()] = None,
) -> AuditPage:
    """Every change of keys, members and of the tenant itself. Nobody can alter or remove an event.

    One call reads 5,000 events: with a filter a page may be short, or empty, and have a `next_cursor`.
    """
    tenant_id = principal.tenant_id
    wanted = AuditFilter(action, actor, created_from, created_to)
    before = page.before(tenant_id)
    async with page.place(tenant_id), AuditParts.of(request).accounts.transaction(tenant_id) as connection:
        rows, read_to = await log.page(connection, tenant_id, wanted, before=before, limit=page.limit + 1)
    entries = [AuditEntry.model_validate(dict(row)) for row in rows]
    items, next_cursor = page.cut(tenant_id, entries, "event_id", read_to)
    return AuditPage(items=list(items), next_cursor=next_cursor)
