"""SQL of the secrets that sign: those of endpoints, and the one of the tenant for the webhook_url of tasks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from app.db import Connection
from app.tenants.sealed_values import ENDPOINT_SECRET, WEBHOOK_SECRET, SealedColumn

# $2 is the endpoint. The secret of the tenant has none, so the parameter is not used there.
_VALID: Final = {
    WEBHOOK_SECRET: """
SELECT id, sealed, created_at, expires_at FROM webhook_secret
WHERE tenant_id = $1 AND $2::uuid IS NULL AND (expires_at IS NULL OR expires_at > now())
ORDER BY created_at DESC, id DESC
""",
    ENDPOINT_SECRET: """
SELECT id, sealed, created_at, expires_at FROM endpoint_secret
WHERE tenant_id = $1 AND endpoint_id = $2 AND (expires_at IS NULL OR expires_at > now())
ORDER BY created_at DESC, id DESC
""",
}
_END: Final = {
    WEBHOOK_SECRET: """
UPDATE webhook_secret SET expires_at = now() + $3 WHERE tenant_id = $1 AND $2::uuid IS NULL AND expires_at IS NULL
""",
    ENDPOINT_SECRET: """
UPDATE endpoint_secret SET expires_at = now() + $3 WHERE tenant_id = $1 AND endpoint_id = $2 AND expires_at IS NULL
""",
}
_DELETE_ENDED: Final = {
    WEBHOOK_SECRET: "DELETE FROM webhook_secret WHERE tenant_id = $1 AND $2::uuid IS NULL AND expires_at <= now()",
    ENDPOINT_SECRET: "DELETE FROM endpoint_secret WHERE tenant_id = $1 AND endpoint_id = $2 AND expires_at <= now()",
}
_INSERT: Final = {
    WEBHOOK_SECRET: """
INSERT INTO webhook_secret (tenant_id, id, sealed, created_at)
SELECT $1, $3, $4, clock_timestamp() WHERE $2::uuid IS NULL
""",
    ENDPOINT_SECRET: """
INSERT INTO endpoint_secret (tenant_id, endpoint_id, id, sealed, created_at) VALUES ($1, $2, $3, $4, clock_timestamp())
""",
}


@dataclass(frozen=True, slots=True)
class SecretOwner:
    """The owner of secrets: an endpoint, or the tenant itself if ``endpoint_id`` is None."""

    tenant_id: UUID
    endpoint_id: UUID | None = None

    @property
    def column(self) -> SealedColumn:
        """Return where its secrets are stored."""
        return WEBHOOK_SECRET if self.endpoint_id is None else ENDPOINT_SECRET


@dataclass(frozen=True, slots=True)
class SecretRow:
    """A sealed secret that is valid."""

    id: UUID
    sealed: str
    created_at: datetime
    expires_at: datetime | None


async def valid(connection: Connection, tenant_id: UUID, owner: SecretOwner) -> Sequence[SecretRow]:
    """Return the secrets that sign now, newest first."""
    rows = await connection.fetch(_VALID[owner.column], tenant_id, owner.endpoint_id)
    return [SecretRow(**row) for row in rows]


async def end(connection: Connection, tenant_id: UUID, owner: SecretOwner, overlap: timedelta) -> None:
    """Let the secrets without an end expire after ``overlap``, and delete those that have expired."""
    await connection.execute(_DELETE_ENDED[owner.column], tenant_id, owner.endpoint_id)
    await connection.execute(_END[owner.column], tenant_id, owner.endpoint_id, overlap)


async def insert(connection: Connection, tenant_id: UUID, owner: SecretOwner, secret_id: UUID, sealed: str) -> None:
    """Insert a sealed secret."""
    await connection.execute(_INSERT[owner.column], tenant_id, owner.endpoint_id, secret_id, sealed)
