"""The origins to which a portal link may lead back. The owner lists them: no link leads to a stranger's page."""

import re
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from app.audit import log as audit
from app.audit.log import Actor
from app.core.errors import InvalidRequest, LimitReached
from app.core.origins import PROTECTED
from app.db import Connection
from app.tenants import store, tenancy

MAX_ORIGINS: Final = 20
_ORIGIN: Final = re.compile(PROTECTED)


async def read(connection: Connection, tenant_id: UUID) -> list[str]:
    """Return the tenant's origins."""
    return await store.return_origins(connection, tenant_id)


async def write(connection: Connection, actor: Actor, tenant_id: UUID, origins: Iterable[str]) -> list[str]:
    """Replace the tenant's origins, and return the new ones. Sessions that exist keep the URL that they have.

    Raises ``LimitReached`` for a further origin if the tenant has made too many changes today.
    """
    tenant = await tenancy.lock(connection, tenant_id)
    old, new = await store.return_origins(connection, tenant_id), list(dict.fromkeys(origins))
    if new == old:
        return new
    # To take an origin away is always possible.
    if not set(new) <= set(old) and await audit.is_day_full(connection, tenant_id):
        raise LimitReached(
            f"A tenant may make {audit.MAX_EVENTS_PER_DAY} audited changes in 24 hours. Add the origin later."
        )
    await store.set_return_origins(connection, tenant_id, new)
    await audit.record(connection, tenant_id, actor, "portal.origins_changed", tenant.slug, {"origins": new})
    return new


async def require_listed(connection: Connection, tenant_id: UUID, url: str) -> None:
    """Raise ``InvalidRequest`` unless the URL, which has the form of ``PortalLinkRequest``, is of a listed origin."""
    match = _ORIGIN.match(url)
    if match is None or match[0] not in await store.return_origins(connection, tenant_id):
        detail = "An owner must list the origin of this URL first: with PUT /api/portal-settings, or under Members."
        raise InvalidRequest(
            "The portal link may not lead back to this URL.", errors=[{"pointer": "#/return_url", "detail": detail}]
        )
