"""Create, change and delete endpoints. Each change is audited, without the values of headers.

Each call locks the tenant's slots first, as whatever writes an event does. So endpoints are counted one after the
other, and an endpoint begins with the first event after it.
"""

import json
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from app.accounts import daily_changes
from app.audit import log as audit
from app.audit.log import Actor
from app.core import ids
from app.core.errors import IllegalState, LimitReached, NotFound
from app.db import Connection
from app.events.types import EventType
from app.tenants import webhook_secrets
from app.tenants.sealed_values import ENDPOINT_HEADERS
from app.webhooks.endpoints import signing_secrets, store
from app.webhooks.endpoints.schemas import (
    DEFAULT_TYPES,
    Endpoint,
    EndpointChange,
    EndpointFilter,
    EndpointRequest,
    NewEndpoint,
)
from app.webhooks.endpoints.secret_store import SecretOwner
from app.webhooks.endpoints.store import EndpointRow, EndpointValues

_NO_FILTER: Final = EndpointFilter()


def described(row: EndpointRow) -> dict[str, Any]:
    """Return an endpoint as the API shows it."""
    facts = {name: getattr(row, name) for name in Endpoint.model_fields if name != "filter"}
    chosen = EndpointFilter.model_construct(tasks=row.filter_tasks, tags=row.filter_tags)
    return {**facts, "filter": chosen if row.filter_tasks or row.filter_tags else None}


async def create(
    connection: Connection, actor: Actor, tenant_id: UUID, wanted: EndpointRequest, *, limit: int
) -> NewEndpoint:
    """Create an endpoint with its secret. Raises ``LimitReached``."""
    after_seq = await store.lock_slots(connection, tenant_id)
    await daily_changes.admit(connection, actor, tenant_id)
    if await store.count(connection, tenant_id) >= limit:
        raise LimitReached(
            f"The tenant may have {limit} endpoints. Delete one, or ask the operator to raise webhook_endpoints."
        )
    endpoint_id = ids.new_id()
    values = EndpointValues(
        url=wanted.url,
        event_types=wanted.event_types or DEFAULT_TYPES,
        filter_tasks=(wanted.filter or _NO_FILTER).tasks,
        filter_tags=(wanted.filter or _NO_FILTER).tags,
        description=wanted.description,
        rate_per_second=wanted.rate_per_second,
        enabled=wanted.enabled is not False,
        **_sealed(tenant_id, endpoint_id, wanted.headers),
    )
    row = await store.insert(connection, tenant_id, endpoint_id, values, after_seq)
    secret = await signing_secrets.make(connection, tenant_id, SecretOwner(tenant_id, endpoint_id))
    await store.mark_feature(connection, tenant_id)
    await audit.record(connection, tenant_id, actor, "endpoint.created", str(endpoint_id), _audited(row))
    return NewEndpoint(**described(row), secret=secret)


def _sealed(tenant_id: UUID, endpoint_id: UUID, headers: dict[str, str] | None) -> dict[str, Any]:
    """Return the columns of an endpoint's headers. Their values are bound to this row."""
    if not headers:
        return {"sealed_headers": None, "header_names": []}
    sealed = webhook_secrets.seal(json.dumps(headers), tenant_id, endpoint_id, signing_secrets.keys(), ENDPOINT_HEADERS)
    return {"sealed_headers": sealed, "header_names": sorted(headers)}


def _audited(row: EndpointRow) -> dict[str, Any]:
    # Without path and query, which may hold a token.
    parts = urlsplit(row.url)
    return {"host": parts.hostname, "event_types": row.event_types, "header_names": row.header_names}


async def change(
    connection: Connection, actor: Actor, tenant_id: UUID, endpoint_id: UUID, wanted: EndpointChange
) -> Endpoint:
    """Change an endpoint. Raises ``NotFound``, ``IllegalState`` and ``LimitReached``."""
    await store.lock_slots(connection, tenant_id)
    found = await store.lock(connection, tenant_id, endpoint_id)
    if found is None:
        raise NotFound(store.UNKNOWN)
    before, sealed_headers = found
    values = _changed(tenant_id, before, sealed_headers, wanted)
    # A caller who only disables takes a right away, which is never refused.
    if values.enabled or wanted.model_fields_set != {"enabled"}:
        await daily_changes.admit(connection, actor, tenant_id)
    # Otherwise a tenant could undo at once what the operator has done to protect others.
    if values.enabled and before.disabled_by == "operator":
        raise IllegalState("The operator has disabled this endpoint. Ask the operator to enable it.")
    row = await store.change(connection, tenant_id, endpoint_id, values)
    detail = {**_audited(row), "changed": sorted(wanted.model_fields_set), "enabled": row.enabled}
    await audit.record(connection, tenant_id, actor, "endpoint.changed", str(endpoint_id), detail)
    if before.enabled and not row.enabled:
        await tell_disabled(connection, tenant_id, row)
    return Endpoint(**described(row))


def _changed(
    tenant_id: UUID, before: EndpointRow, sealed_headers: str | None, wanted: EndpointChange
) -> EndpointValues:
    """Return the values after a change. A member that was not sent stays; null sets the default."""
    sent = wanted.model_fields_set
    chosen = wanted.filter or _NO_FILTER
    headers: dict[str, Any] = {"sealed_headers": sealed_headers, "header_names": before.header_names}
    if "headers" in sent:
        headers = _sealed(tenant_id, before.endpoint_id, wanted.headers)
    return EndpointValues(
        url=wanted.url if "url" in sent else before.url,
        event_types=(wanted.event_types or DEFAULT_TYPES) if "event_types" in sent else before.event_types,
        filter_tasks=chosen.tasks if "filter" in sent else before.filter_tasks,
        filter_tags=chosen.tags if "filter" in sent else before.filter_tags,
        description=wanted.description if "description" in sent else before.description,
        rate_per_second=wanted.rate_per_second if "rate_per_second" in sent else before.rate_per_second,
        enabled=wanted.enabled is not False if "enabled" in sent else before.enabled,
        **headers,
    )


async def tell_disabled(connection: Connection, tenant_id: UUID, row: EndpointRow) -> None:
    """Write the event that an endpoint is disabled. The slots are locked already."""
    data = {
        "endpoint_id": str(row.endpoint_id),
        "url": row.url,
        "failing_since": row.failing_since and row.failing_since.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "disabled_by": row.disabled_by,
    }
    number = EventType.ENDPOINT_DISABLED.number
    await store.append_event(connection, tenant_id, number, row.endpoint_id, data)


async def switch(
    connection: Connection, actor: Actor, tenant_id: UUID, endpoint_id: UUID, *, is_enabled: bool
) -> Endpoint:
    """Enable or disable an endpoint for the operator. The tenant cannot enable it then. Raises ``NotFound``."""
    await store.lock_slots(connection, tenant_id)
    before = await store.find(connection, tenant_id, endpoint_id)
    if before is None:
        raise NotFound(store.UNKNOWN)
    row = await store.switch(connection, tenant_id, endpoint_id, is_enabled=is_enabled)
    action = "endpoint.enabled" if is_enabled else "endpoint.disabled"
    await audit.record(connection, tenant_id, actor, action, str(endpoint_id))
    if before.enabled and not is_enabled:
        await tell_disabled(connection, tenant_id, row)
    return Endpoint(**described(row))


async def delete(connection: Connection, actor: Actor, tenant_id: UUID, endpoint_id: UUID) -> None:
    """Delete an endpoint. Deliveries that wait for it become SKIPPED. Raises ``NotFound``."""
    await store.lock_slots(connection, tenant_id)
    if not await store.delete(connection, tenant_id, endpoint_id):
        raise NotFound(store.UNKNOWN)
    await store.mark_feature(connection, tenant_id)
    await audit.record(connection, tenant_id, actor, "endpoint.deleted", str(endpoint_id))
