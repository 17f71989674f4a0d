"""Let an operator look into a tenant: a viewer's session of 15 minutes, with an audit event on both sides."""

from typing import Final

from app.accounts import sessions
from app.audit import log as audit
from app.audit.log import Actor
from app.db import Connection
from app.tenants.store import TenantRecord

SESSION_SECONDS: Final = 900
"""The time that an operator has in the console of a tenant."""


async def enter(connection: Connection, actor: Actor, tenant: TenantRecord) -> str:
    """Make a link to the tenant's console as a viewer. Return its secret, which is not stored.

    The tenant's log says that the operator has entered, without the name. The log of the operators has it all.
    """
    detail = {"role": "viewer", "seconds": SESSION_SECONDS}
    # A tenant must be able to see that somebody has looked at its data.
    await audit.record(connection, tenant.id, actor, "tenant.entered", tenant.slug, detail)
    await audit.record(connection, None, actor, "tenant.entered", tenant.slug, detail)
    return await sessions.make_link(connection, actor, tenant.id, role="viewer", session_seconds=SESSION_SECONDS)
