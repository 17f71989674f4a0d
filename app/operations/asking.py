"""Accept, show and cancel operations for their tenant. Each request is audited in the transaction that stores it."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from app.audit import log as audit
from app.core import ids
from app.core.errors import IdempotencyMismatch, IllegalState, LimitReached, NotFound
from app.db import Connection, Database
from app.identity.principal import Actor
from app.operations import store
from app.operations.progress import Kind
from app.operations.schemas import OperationState, OperationStatus
from app.tasks.submit.new_tasks import Idempotency
from app.tenants import tenancy

MAX_RUNNING: Final = 3
"""Operations of one tenant that run at once."""
MAX_PER_DAY: Final = 1_000
"""Operations that a tenant may start in 24 hours. It bounds their rows and audit events."""


class Asked(NamedTuple):
    """The operation of a request."""

    operation_id: UUID
    status: OperationState
    is_replay: bool
    """True if an earlier request with the same idempotency key made it."""


async def start(
    accounts: Database, tenant_id: UUID, actor: Actor, kind: Kind, chosen: dict[str, Any], key: Idempotency | None
) -> Asked:
    """Store an operation, which then runs in the background; ``chosen`` is its filter.

    ``accounts`` logs in as tq_account. Raises ``LimitReached``, ``IdempotencyMismatch`` and ``Unavailable``.
    """
    async with accounts.transaction(tenant_id) as connection:
        # The lock on the tenant's row makes two concurrent requests count, and use a key, one after the other.
        await tenancy.lock(connection, tenant_id)
        if key is not None and (earlier := await _find(connection, tenant_id, key)):
            return earlier
        await _require_room(connection, tenant_id)
        operation_id = ids.new_id()
        await store.insert(
            connection,
            tenant_id,
            operation_id,
            kind=kind,
            chosen=chosen,
            asked_by=actor.name,
            key=key and key.key,
            fingerprint=key and key.fingerprint,
        )
        detail = {"kind": kind, "filter": _shortened(chosen)}
        await audit.record(connection, tenant_id, actor, "operation.started", str(operation_id), detail)
    return Asked(operation_id, "RUNNING", is_replay=False)


async def _find(connection: Connection, tenant_id: UUID, key: Idempotency) -> Asked | None:
    found = await store.find_key(connection, tenant_id, key.key)
    if found is None:
        return None
    # A program that uses one key for two requests has a fault. The first answer would hide it.
    if found["fingerprint"] != key.fingerprint:
        raise IdempotencyMismatch("This Idempotency-Key was used with another body. Use a new key.")
    return Asked(found["operation_id"], found["status"], is_replay=True)


async def _require_room(connection: Connection, tenant_id: UUID) -> None:
    if await store.count_running(connection, tenant_id) >= MAX_RUNNING:
        raise LimitReached(
            f"{MAX_RUNNING} operations of this tenant are under way. Wait until one has ended, or cancel one."
        )
    if await store.count_of_a_day(connection, tenant_id) >= MAX_PER_DAY:
        raise LimitReached(f"A tenant may start {MAX_PER_DAY} operations in 24 hours. Try again later.")


def _shortened(chosen: dict[str, Any]) -> dict[str, Any]:
    """Return the filter for the audit log, with the number of ids instead of up to a thousand ids."""
    return {**chosen, "ids": len(chosen["ids"])} if "ids" in chosen else chosen


async def show(reader: Database, tenant_id: UUID, operation_id: UUID) -> OperationStatus:
    """Return an operation with its progress. Raises ``NotFound``."""
    async with reader.transaction(tenant_id) as connection:
        return await _show(connection, tenant_id, operation_id)


async def page(reader: Database, tenant_id: UUID, *, before: UUID, limit: int) -> Sequence[OperationStatus]:
    """Return up to ``limit`` operations older than the id ``before``, newest first."""
    async with reader.transaction(tenant_id) as connection:
        rows = await store.page(connection, tenant_id, before=before, limit=limit)
    return [_status(row) for row in rows]


async def cancel(accounts: Database, tenant_id: UUID, actor: Actor, operation_id: UUID) -> OperationStatus:
    """Ask an operation to end: what it has done stays done. A second call changes nothing.

    Raises ``NotFound``, and ``IllegalState`` for an operation that has succeeded or failed.
    """
    async with accounts.transaction(tenant_id) as connection:
        if await store.request_cancel(connection, tenant_id, operation_id):
            await audit.record(connection, tenant_id, actor, "operation.cancelled", str(operation_id))
        found = await _show(connection, tenant_id, operation_id)
    # One that was cancelled before is no error: a caller may repeat its cancel after a lost answer.
    if found.status in {"SUCCEEDED", "FAILED"}:
        raise IllegalState("The operation has ended. Only one that runs can be cancelled.")
    return found


async def _show(connection: Connection, tenant_id: UUID, operation_id: UUID) -> OperationStatus:
    row = await store.find(connection, tenant_id, operation_id)
    if row is None:
        raise NotFound("There is no such operation.")
    return _status(row)


def _status(row: Any) -> OperationStatus:
    facts = dict(row)
    is_counted, total = facts.pop("is_counted"), facts["total"]
    settled = facts["done"] + facts["failed"] + facts["skipped"]
    # Tasks that match only since the count, for example of a filter by status, must not make it more than all.
    progress = min(1.0, settled / total) if total else 1.0
    counted = {"total": total, "progress": round(progress, 4)} if is_counted else {"total": None, "progress": None}
    return OperationStatus.model_validate(facts | counted)
