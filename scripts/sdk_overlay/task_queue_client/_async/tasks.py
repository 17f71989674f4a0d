"""Everything about tasks: ``client.tasks``."""

from asyncio import sleep
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Unpack
from uuid import UUID

from task_queue_client.calls import Call, identifier, keyed
from task_queue_client.errors import ConflictError, TaskFailedError, TaskRevokedError
from task_queue_client.models import (
    BatchResponse,
    CancelFilter,
    CancelResponse,
    ChangedTask,
    ChangeRequest,
    ErasedTask,
    OperationAccepted,
    RefusedTask,
    ResultPending,
    RetryFilter,
    RetryResponse,
    StreamToken,
    SubmitResponse,
    TaskDetail,
    TaskEventEntry,
    TaskFilter,
    TaskLogEntry,
    TaskLogPage,
    TaskPage,
    TaskResult,
    TaskStatus,
    TaskSummary,
)
from task_queue_client.patience import Wait
from task_queue_client.reading import read
from task_queue_client.submitting import NOTHING, SubmitOptions, split
from task_queue_client.task_types import NewTask

from .handles import WAIT, AsyncOperationHandle, AsyncTaskHandle
from .paging import pages
from .streams import AsyncEventStream
from .transport import AsyncTransport

_ENDS = frozenset({"task.succeeded", "task.failed", "task.revoked"})


class AsyncTasks:
    """The tasks of the tenant. Ids are taken as ``UUID`` or as text."""

    def __init__(self, transport: AsyncTransport) -> None:
        """Made by the client."""
        self._transport = transport

    # The signatures of the task types are written here.
    async def submit(self, task: str, payload: Any = NOTHING, **options: Unpack[SubmitOptions]) -> AsyncTaskHandle[Any]:
        """Submit a task, and return a handle on it: it is stored and will finish.

        The call has an idempotency key (your own, or one that is made for it), so it makes one task also where the
        connection is cut and the client sends it again. The options are those of ``task_types.TaskOptions``.
        """
        body, headers = split(task, payload, options)
        accepted = await self._transport.call(
            Call[SubmitResponse]("submit_task", SubmitResponse, body=body, headers=headers)
        )
        return AsyncTaskHandle(self, accepted.task_id)

    async def submit_many(
        self, tasks: Iterable[NewTask], *, idempotency_key: str | None = None, traceparent: str | None = None
    ) -> Sequence[AsyncTaskHandle[Any] | RefusedTask]:
        """Submit up to 1,000 tasks in one request; return a handle or a refusal for each, in their order.

        A task that is refused does not affect the others: ``RefusedTask.error`` says why.
        """
        body = {"tasks": [dict(task) for task in tasks]}
        headers = keyed(idempotency_key, traceparent)
        answer = await self._transport.call(
            Call[BatchResponse]("submit_tasks", BatchResponse, body=body, headers=headers)
        )
        return [
            outcome if isinstance(outcome, RefusedTask) else AsyncTaskHandle(self, outcome.task_id)
            for outcome in answer.outcomes
        ]

    def handle(self, task_id: UUID | str) -> AsyncTaskHandle[Any]:
        """Return a handle on a task whose id you have kept. It makes no request."""
        return AsyncTaskHandle(self, UUID(identifier(task_id)))

    async def get(self, task_id: UUID | str, *, include_result: bool = False) -> TaskDetail:
        """Return everything about a task: options, payload, attempts; with ``include_result`` also its result."""
        query = {"include": "result"} if include_result else {}
        return await self._transport.call(Call("get_task", TaskDetail, path=_path(task_id), query=query))

    async def status(self, task_id: UUID | str) -> TaskStatus:
        """Return where a task stands."""
        return await self._transport.call(Call("get_task_status", TaskStatus, path=_path(task_id)))

    async def result(self, task_id: UUID | str, timeout: float = 0.0) -> Any:
        """Return the result of a task that has ended, or that ends within ``timeout`` seconds.

        Raises ``TaskFailedError`` if it failed, ``TaskRevokedError`` if it was cancelled or expired, and
        ``WaitTimeoutError`` if it has not ended.
        """
        outcome = await self._outcome(task_id, timeout)
        if outcome.status == "SUCCESS":
            return outcome.result
        if outcome.status == "REVOKED":
            raise TaskRevokedError(outcome.task_id, outcome.error, outcome.status)
        raise TaskFailedError(outcome.task_id, outcome.error, outcome.status)

    async def wait(self, task_id: UUID | str, timeout: float = WAIT) -> Any:
        """Wait for the end of a task, and return its result; the same as ``result``, with more time.

        The wait survives restarts of the service and cut connections.
        """
        return await self.result(task_id, timeout)

    async def _outcome(self, task_id: UUID | str, timeout: float) -> TaskResult:
        wait = Wait(f"task {task_id}", timeout, self._transport.timeout)
        while True:
            call = Call[TaskResult | ResultPending](
                "get_task_result", TaskResult | ResultPending, path=_path(task_id), query={"wait": wait.of_one_call()}
            )
            # The pauses between attempts fit into the time of the wait; a wait of no time has those of any call.
            answer = await self._transport.call(call, wait.left() or None)
            if isinstance(answer, TaskResult):
                return answer
            wait.check(answer.status)
            await sleep(min(0.1, wait.left()))

    async def cancel(self, task_id: UUID | str) -> CancelResponse:
        """End a task: a waiting one at once, a running one within 5 seconds.

        Raises ``ConflictError`` if it has ended already, unless it was cancelled.
        """
        call = Call[CancelResponse]("cancel_task", CancelResponse, path=_path(task_id))
        try:
            return await self._transport.call(call)
        except ConflictError:
            # The answer to the first attempt may have been lost with its connection.
            now = await self.status(task_id)
            if now.status != "REVOKED":
                raise
        return CancelResponse(task_id=now.task_id, status=now.status, cancel_requested=True)

    async def retry(
        self, task_id: UUID | str, *, idempotency_key: str | None = None, traceparent: str | None = None
    ) -> AsyncTaskHandle[Any]:
        """Run an ended task again: a new task with the same payload and options, and its own id."""
        headers = keyed(idempotency_key, traceparent)
        accepted = await self._transport.call(
            Call[RetryResponse]("retry_task", RetryResponse, path=_path(task_id), headers=headers)
        )
        return AsyncTaskHandle(self, accepted.task_id)

    async def change(self, task_id: UUID | str, **changes: Unpack[ChangeRequest]) -> ChangedTask:
        """Change ``priority``, ``scheduled_at`` or ``tags`` of a task while it waits."""
        return await self._transport.call(Call("change_task", ChangedTask, path=_path(task_id), body=dict(changes)))

    async def erase(self, task_id: UUID | str) -> ErasedTask:
        """Erase an ended task: payload, result, error, progress, tags and log are gone for good."""
        return await self._transport.call(Call("erase_task", ErasedTask, path=_path(task_id)))

    def list(self, *, page_size: int = 100, **filters: Unpack[TaskFilter]) -> AsyncIterator[TaskSummary]:
        """Iterate over all tasks that meet every filter, newest first; the pages are fetched as you go."""
        call = Call[TaskPage]("list_tasks", TaskPage, query={**filters, "limit": page_size})
        return pages(self._transport, call, "cursor")

    def logs(self, task_id: UUID | str, *, after: str | None = None) -> AsyncIterator[TaskLogEntry]:
        """Iterate over the lines that a task's code has logged up to now."""
        call = Call[TaskLogPage]("get_task_logs", TaskLogPage, path=_path(task_id), query={"after": after})
        return pages(self._transport, call, "after", is_open=True)

    async def follow_logs(self, task_id: UUID | str) -> AsyncIterator[TaskLogEntry]:
        """Iterate over the lines of a task's log, also those to come, up to its end."""
        async with self.events(task_id) as events:
            async for event in events:
                if event.type == "task.log":
                    yield read(TaskLogEntry, {**event.data, "at": event.created_at and event.created_at.isoformat()})

    def events(self, task_id: UUID | str, *, after: str | None = None) -> AsyncEventStream[TaskEventEntry]:
        """Iterate over what happens to a task, from its beginning to its end; a cut connection is resumed."""
        call = Call[TaskEventEntry]("list_task_events", TaskEventEntry, path=_path(task_id))
        return AsyncEventStream(self._transport, call, lambda event: event.type in _ENDS, after)

    async def stream_token(self, task_id: UUID | str) -> StreamToken:
        """Return a token with which a browser may read the status, the result and the events of this task alone."""
        return await self._transport.call(Call("create_stream_token", StreamToken, path=_path(task_id)))

    async def cancel_many(
        self, *, idempotency_key: str | None = None, **chosen: Unpack[CancelFilter]
    ) -> AsyncOperationHandle:
        """Cancel all tasks that meet every filter, in the background. ``all=True`` stands for no filter."""
        return await self._begin("cancel_tasks", chosen, idempotency_key)

    async def retry_many(
        self, *, idempotency_key: str | None = None, **chosen: Unpack[RetryFilter]
    ) -> AsyncOperationHandle:
        """Run all ended tasks that meet every filter again, in the background."""
        return await self._begin("retry_tasks", chosen, idempotency_key)

    async def _begin(self, operation: str, chosen: Mapping[str, Any], key: str | None) -> AsyncOperationHandle:
        call = Call[OperationAccepted](operation, OperationAccepted, body={"filter": dict(chosen)}, headers=keyed(key))
        return AsyncOperationHandle(self._transport, (await self._transport.call(call)).operation_id)


def _path(task_id: UUID | str) -> Mapping[str, str]:
    return {"task_id": identifier(task_id)}
