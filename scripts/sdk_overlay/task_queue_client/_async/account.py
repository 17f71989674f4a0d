"""The queue, operations, keys, members, limits, usage and audit log of the tenant."""

from collections.abc import AsyncIterator, Mapping
from datetime import date, datetime
from typing import Any, Unpack
from uuid import UUID

from task_queue_client.calls import Call, identifier, keyed, known, segments
from task_queue_client.models import (
    AuditEntry,
    AuditFilter,
    AuditPage,
    Bucket,
    ErrorFilter,
    Key,
    KeyPage,
    KeyRequest,
    KnownError,
    KnownErrorPage,
    LimitList,
    Me,
    Member,
    MemberChange,
    MemberPage,
    MemberRequest,
    NewKey,
    NewMember,
    OperationAccepted,
    OperationPage,
    OperationStatus,
    QueueState,
    RemoteWorker,
    RemoteWorkerList,
    RotateRequest,
    Stats,
    UsageReport,
)

from .handles import AsyncOperationHandle
from .paging import pages
from .transport import AsyncTransport


class Room:
    """A part of the client that has calls of its own."""

    def __init__(self, transport: AsyncTransport) -> None:
        """Made by the client."""
        self._transport = transport


class AsyncQueue(Room):
    """The tenant's own queue: ``client.queue``."""

    async def pause(self) -> QueueState:
        """Stop starting tasks; those that run go on, and submits are accepted."""
        return await self._transport.call(Call("pause_queue", QueueState))

    async def resume(self) -> QueueState:
        """End the tenant's pause. A pause of the operator stays."""
        return await self._transport.call(Call("resume_queue", QueueState))

    async def state(self) -> QueueState:
        """Return who has paused the queue."""
        return (await self._transport.call(Call[LimitList]("list_limits", LimitList))).queue


class AsyncOperations(Room):
    """The background acts of the tenant: ``client.operations``."""

    def handle(self, operation_id: UUID | str) -> AsyncOperationHandle:
        """Return a handle on an operation whose id you have kept. It makes no request."""
        return AsyncOperationHandle(self._transport, UUID(identifier(operation_id)))

    async def get(self, operation_id: UUID | str) -> OperationStatus:
        """Return an operation with its counts and its progress."""
        return await self.handle(operation_id).get()

    async def wait(self, operation_id: UUID | str, timeout: float = 300.0) -> OperationStatus:
        """Return an operation when it has ended; see the handle."""
        return await self.handle(operation_id).wait(timeout)

    async def cancel(self, operation_id: UUID | str) -> OperationStatus:
        """Ask an operation to end. What it has done stays done."""
        return await self.handle(operation_id).cancel()

    def list(self, *, page_size: int = 100) -> AsyncIterator[OperationStatus]:
        """Iterate over the operations, newest first."""
        call = Call[OperationPage]("list_operations", OperationPage, query={"limit": page_size})
        return pages(self._transport, call, "cursor")


class AsyncKeys(Room):
    """The API keys of the tenant: ``client.keys``."""

    def list(self, *, page_size: int = 100) -> AsyncIterator[Key]:
        """Iterate over all keys, also those that have expired or were revoked."""
        return pages(self._transport, Call[KeyPage]("list_keys", KeyPage, query={"limit": page_size}), "cursor")

    async def issue(self, **request: Unpack[KeyRequest]) -> NewKey:
        """Make a key. ``api_key`` of the answer is its text, which is shown only here; it is in no ``repr``."""
        return await self._transport.call(Call("issue_key", NewKey, body=dict(request)))

    async def rotate(self, key_id: str, **request: Unpack[RotateRequest]) -> NewKey:
        """Make a successor of a key; the old one stays valid for ``overlap_seconds``."""
        return await self._transport.call(Call("rotate_key", NewKey, path={"key_id": _key(key_id)}, body=dict(request)))

    async def revoke(self, key_id: str) -> None:
        """End a key at once."""
        await self._transport.call(Call[None]("revoke_key", None, path={"key_id": _key(key_id)}))


class AsyncMembers(Room):
    """The people of the tenant: ``client.members``."""

    def list(self, *, page_size: int = 100) -> AsyncIterator[Member]:
        """Iterate over all members."""
        call = Call[MemberPage]("list_members", MemberPage, query={"limit": page_size})
        return pages(self._transport, call, "cursor")

    async def add(self, **request: Unpack[MemberRequest]) -> NewMember:
        """Add a member. ``initial_password`` of the answer is shown only here; it is in no ``repr``."""
        return await self._transport.call(Call("add_member", NewMember, body=dict(request)))

    async def change(self, member_id: UUID | str, **changes: Unpack[MemberChange]) -> Member:
        """Change the role of a member, or disable it."""
        path = {"member_id": identifier(member_id)}
        return await self._transport.call(Call("change_member", Member, path=path, body=dict(changes)))

    async def remove(self, member_id: UUID | str) -> None:
        """Remove a member."""
        await self._transport.call(Call[None]("remove_member", None, path={"member_id": identifier(member_id)}))


class AsyncErrors(Room):
    """The errors of the tenant's tasks, grouped: ``client.errors``."""

    def list(self, *, page_size: int = 100, **filters: Unpack[ErrorFilter]) -> AsyncIterator[KnownError]:
        """Iterate over the errors, the one that was seen last first."""
        call = Call[KnownErrorPage]("list_errors", KnownErrorPage, query={**filters, "limit": page_size})
        return pages(self._transport, call, "cursor")

    async def get(self, error_id: UUID | str) -> KnownError:
        """Return an error with its counts."""
        return await self._act("get_error", error_id)

    async def resolve(self, error_id: UUID | str) -> KnownError:
        """Mark an error as resolved. If it is seen again later, it is unresolved again and has ``regressed_at``."""
        return await self._act("resolve_error", error_id)

    async def ignore(self, error_id: UUID | str) -> KnownError:
        """Mark an error as ignored. It stays so, and is counted."""
        return await self._act("ignore_error", error_id)

    async def reopen(self, error_id: UUID | str) -> KnownError:
        """Mark an error as unresolved again."""
        return await self._act("reopen_error", error_id)

    async def retry(self, error_id: UUID | str, *, idempotency_key: str | None = None) -> AsyncOperationHandle:
        """Run every task that failed with this error again, as a new one, in the background."""
        path = {"error_id": identifier(error_id)}
        call = Call[OperationAccepted]("retry_error", OperationAccepted, path=path, headers=keyed(idempotency_key))
        return AsyncOperationHandle(self._transport, (await self._transport.call(call)).operation_id)

    async def _act(self, operation: str, error_id: UUID | str) -> KnownError:
        return await self._transport.call(Call(operation, KnownError, path={"error_id": identifier(error_id)}))


class AsyncAccount(Room):
    """What the client itself offers beside its rooms."""

    async def me(self) -> Me:
        """Return the tenant and the credential of this client, with its scopes and the tenant's limits."""
        return await self._transport.call(Call("get_me", Me))

    async def limits(self) -> LimitList:
        """Return all limits of the tenant, with what is used of each."""
        return await self._transport.call(Call("list_limits", LimitList))

    async def usage(self, first: date | str | None = None, last: date | str | None = None) -> UsageReport:
        """Return the usage of this day and month, and of each day from the first to the last (UTC)."""
        query: dict[str, Any] = {"from": first, "to": last}
        return await self._transport.call(Call("get_usage", UsageReport, query=query))

    async def stats(
        self,
        first: datetime | str | None = None,
        last: datetime | str | None = None,
        *,
        bucket: Bucket = "hour",
        task: str | None = None,
        by_task: bool = False,
    ) -> Stats:
        """Return how many tasks were submitted and ended, how long they waited and ran: a point for each bucket."""
        query = {"from": first, "to": last, "bucket": bucket, "task": task, "by": "task" if by_task else None}
        return await self._transport.call(Call("get_stats", Stats, query=query))

    async def workers(self) -> "tuple[RemoteWorker, ...]":
        """Return the workers of your own, those seen last first."""
        return tuple((await self._transport.call(Call[RemoteWorkerList]("list_workers", RemoteWorkerList))).items)

    async def request(
        self,
        operation: str,
        *,
        path: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        idempotency_key: str | None = None,
    ) -> Any:
        """Return the JSON that an operation of the API document answers; ``operation`` is its ``operationId``.

        It is for calls that have no method here. Those that change something are attempted again only if they have an
        ``idempotency_key``, and the operation takes one.
        """
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        call = Call[Any](
            known(operation), Any, path=segments(path or {}), query=query or {}, body=body, headers=headers
        )
        return await self._transport.call(call)

    def audit(self, *, page_size: int = 100, **filters: Unpack[AuditFilter]) -> AsyncIterator[AuditEntry]:
        """Iterate over the audit log, newest first."""
        call = Call[AuditPage]("list_audit_events", AuditPage, query={**filters, "limit": page_size})
        return pages(self._transport, call, "cursor")


def _key(key_id: str) -> str:
    if not key_id.isalnum():
        raise ValueError("a key's id has letters and digits only: give the id, and not the key")
    return key_id
