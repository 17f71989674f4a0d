"""SQL of http_request: the tenant's limits and signing secrets, read for each request."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app.db import Connection

_SENDER: Final = """
SELECT t.plan, t.limits, (
    SELECT jsonb_agg(jsonb_build_array(s.id, s.sealed) ORDER BY s.created_at DESC, s.id DESC) FROM webhook_secret s
    WHERE s.tenant_id = t.id AND (s.expires_at IS NULL OR s.expires_at > now())
) AS secrets
FROM tenant t WHERE t.id = $1
"""


@dataclass(frozen=True, slots=True)
class SendingTenant:
    """A tenant, with all that a request of its own needs."""

    plan: str
    overrides: dict[str, int]
    secrets: list[tuple[UUID, str]]
    """Id and sealed text of each valid signing secret, newest first."""


async def find_sender(connection: Connection, tenant_id: UUID) -> SendingTenant | None:
    """Return a tenant's plan, overrides and signing secrets; None when it is gone."""
    row = await connection.fetchrow(_SENDER, tenant_id)
    if row is None:
        return None
    secrets = [(UUID(secret_id), sealed) for secret_id, sealed in row["secrets"] or ()]
    return SendingTenant(row["plan"], row["limits"], secrets)
