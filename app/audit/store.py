"""The rows that tell who did what."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from app.core.ids import new_id
from app.db import Connection


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: an operator by the name of the system user, an API key by its ``key_id``, a member by e-mail."""

    type: Literal["operator", "api_key", "member"]
    name: str


async def record(
    connection: Connection,
    tenant_id: UUID | None,
    actor: Actor,
    action: str,
    thing: str,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write one event (``action`` in the past tense, ``tenant.created``) in the transaction of the act itself."""
    await connection.execute(
        "INSERT INTO audit_event (id, tenant_id, actor_type, actor, action, object, detail)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)",
        new_id(),
        tenant_id,
        actor.type,
        actor.name,
        action,
        thing,
        dict(detail or {}),
    )
