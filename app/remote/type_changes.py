"""Create, change and delete a tenant's own task types. Each change is audited in its transaction."""

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from app.audit import log as audit
from app.audit.log import Actor
from app.core.errors import IllegalState, InvalidRequest, LimitReached, NotFound
from app.db import Connection
from app.remote import type_store
from app.remote.type_schemas import (
    DEFAULT_LEASE_SECONDS,
    DEFAULT_MAX_ATTEMPTS,
    DEFAULT_TIME_LIMIT,
    OwnTaskType,
    OwnTaskTypeValues,
)
from app.remote.type_store import TypeColumns
from app.tasks.definition import types
from app.tasks.definition.json_schemas import Schema, UnusableSchema
from app.tasks.definition.own_types import RetryPolicy
from app.tenants import tenancy

if TYPE_CHECKING:
    import asyncpg

_RETRY: Final = RetryPolicy()
_AUDITED: Final = ("max_attempts", "time_limit", "lease_seconds")


class PutType(NamedTuple):
    """The task type after a change."""

    task_type: OwnTaskType
    is_new: bool


def columns(wanted: OwnTaskTypeValues) -> TypeColumns:
    """Return what is stored of a request. Raises ``InvalidRequest`` for a schema that cannot be used."""
    return TypeColumns(
        summary=wanted.summary or "",
        payload_schema=_schema("payload_schema", wanted.payload_schema),
        result_schema=_schema("result_schema", wanted.result_schema),
        max_attempts=wanted.max_attempts or DEFAULT_MAX_ATTEMPTS,
        time_limit=wanted.time_limit or DEFAULT_TIME_LIMIT,
        lease_seconds=wanted.lease_seconds or DEFAULT_LEASE_SECONDS,
        retry_backoff=_or(wanted.retry_backoff, _RETRY.retry_backoff),
        retry_backoff_max=_or(wanted.retry_backoff_max, _RETRY.retry_backoff_max),
        retry_jitter=_RETRY.retry_jitter if wanted.retry_jitter is None else wanted.retry_jitter,
    )


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


def _schema(member: str, document: Any) -> str | None:
    if document is None:
        return None
    try:
        Schema(document)
    except UnusableSchema as error:
        raise InvalidRequest(
            "The request is not valid. Correct each place that errors names.",
            errors=[{"pointer": f"#/{member}{error.pointer}", "detail": error.detail}],
        ) from None
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


async def put(
    connection: Connection, actor: Actor, tenant_id: UUID, name: str, wanted: TypeColumns, *, limit: int
) -> PutType:
    """Create or change a task type. The same request again changes nothing.

    Raises ``LimitReached``, and ``IllegalState`` for the name of a type of the operator's.
    """
    if types.find(name) is not None:
        raise IllegalState("The service itself has a task type of this name. Choose another one.")
    # The lock on the tenant's row makes two concurrent requests count one after the other.
    await tenancy.lock(connection, tenant_id)
    row = await type_store.find(connection, tenant_id, name)
    if row is not None and wanted.is_as_stored(row):
        return PutType(shown(row), is_new=False)
    if row is None and await type_store.count(connection, tenant_id) >= limit:
        raise LimitReached(
            f"The tenant may have {limit} task types of its own. Delete one, or ask the operator to raise the limit "
            "task_types."
        )
    await type_store.put(connection, tenant_id, name, wanted)
    act = "task_type.created" if row is None else "task_type.changed"
    await audit.record(connection, tenant_id, actor, act, name, {key: getattr(wanted, key) for key in _AUDITED})
    return PutType(await find(connection, tenant_id, name), is_new=row is None)


async def find(connection: Connection, tenant_id: UUID, name: str) -> OwnTaskType:
    """Return a task type. Raises ``NotFound``."""
    row = await type_store.find(connection, tenant_id, name)
    if row is None:
        raise NotFound(type_store.UNKNOWN)
    return shown(row)


async def delete(connection: Connection, actor: Actor, tenant_id: UUID, name: str) -> None:
    """Delete a task type. Its tasks stay, and can still be leased. Raises ``NotFound``."""
    await tenancy.lock(connection, tenant_id)
    if not await type_store.delete(connection, tenant_id, name):
        raise NotFound(type_store.UNKNOWN)
    await audit.record(connection, tenant_id, actor, "task_type.deleted", name, {})


def shown(row: "asyncpg.Record") -> OwnTaskType:
    """Return a stored task type as the API shows it."""
    schemas = {name: _parsed(row[name]) for name in ("payload_schema", "result_schema")}
    return OwnTaskType(**(dict(row) | schemas))


def _parsed(text: str | None) -> Any:
    return None if text is None else json.loads(text)
