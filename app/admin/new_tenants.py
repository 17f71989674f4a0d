"""Create a tenant that can be used at once: with a first key and a webhook secret."""

from typing import NamedTuple

from app.accounts import keys
from app.audit.log import Actor
from app.core.secrets import Secrets
from app.db import Connection
from app.tenants import tenancy
from app.tenants.store import TenantRecord


class NewTenant(NamedTuple):
    """A tenant with the two secrets that nobody can show again."""

    tenant: TenantRecord
    api_key: str
    webhook_secret: str


async def create(
    connection: Connection, actor: Actor, secrets: Secrets, *, slug: str, name: str, plan: str
) -> NewTenant:
    """Create a tenant. Raises ``InvalidRequest`` and ``SlugTaken``."""
    tenant, webhook_secret = await tenancy.create(connection, actor, slug=slug, name=name, plan=plan, secrets=secrets)
    _, api_key = await keys.issue(connection, actor, tenant.id, name="first", secrets=secrets)
    return NewTenant(tenant, api_key, webhook_secret)
