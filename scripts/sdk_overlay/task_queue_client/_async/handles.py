"""What a submit and a bulk call return: a handle on what they have begun."""

from asyncio import sleep
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Generic, TypeVar, Unpack
from uuid import UUID

from task_queue_client.calls import Call, identifier
from task_queue_client.errors import OperationFailedError
from task_queue_client.models import (
    CancelResponse,
    ChangedTask,
    ChangeRequest,
    ErasedTask,
    OperationStatus,
    TaskDetail,
    TaskEventEntry,
    TaskLogEntry,
    TaskStatus,
)
from task_queue_client.patience import LONGEST_PAUSE, Wait

from .streams import AsyncEventStream
from .transport import AsyncTransport

if TYPE_CHECKING:
    from .tasks import AsyncTasks

R = TypeVar("R")

WAIT = 300.0
"""Seconds for which a wait lasts unless it says otherwise."""


class AsyncTaskHandle(Generic[R]):
    """A task that was accepted. ``R`` is the type of its result."""

    def __init__(self, tasks: "AsyncTasks", task_id: UUID) -> None:
        """Made by ``client.tasks``."""
        self.task_id = task_id
        self._tasks = tasks

    def __repr__(self) -> str:
        """Show the id."""
        return f"{type(self).__name__}({str(self.task_id)!r})"

    async def wait(self, timeout: float = WAIT) -> R:
        """Wait for the end, and return the result; see ``client.tasks.wait``."""
        found: R = await self._tasks.wait(self.task_id, timeout)
        return found

    async def result(self, timeout: float = 0.0) -> R:
        """Return the result if the task has ended, or waits so many seconds for it; see ``client.tasks.result``."""
        found: R = await self._tasks.result(self.task_id, timeout)
        return found

    async def status(self) -> TaskStatus:
        """Return where the task stands."""
        return await self._tasks.status(self.task_id)

    async def get(self, *, include_result: bool = False) -> TaskDetail:
        """Return everything about the task."""
        return await self._tasks.get(self.task_id, include_result=include_result)

    async def cancel(self) -> CancelResponse:
        """End the task; see ``client.tasks.cancel``."""
        return await self._tasks.cancel(self.task_id)

    async def retry(self, *, idempotency_key: str | None = None) -> "AsyncTaskHandle[R]":
        """Run the ended task again, as a new one."""
        again = await self._tasks.retry(self.task_id, idempotency_key=idempotency_key)
        return AsyncTaskHandle(self._tasks, again.task_id)

    async def change(self, **changes: Unpack[ChangeRequest]) -> ChangedTask:
        """Change the options of the task while it waits."""
        return await self._tasks.change(self.task_id, **changes)

    async def erase(self) -> ErasedTask:
        """Erase the ended task: payload, result, error and log are gone for good."""
        return await self._tasks.erase(self.task_id)

    def logs(self) -> AsyncIterator[TaskLogEntry]:
        """Iterate over the lines that the task's code has logged up to now."""
        return self._tasks.logs(self.task_id)

    def follow_logs(self) -> AsyncIterator[TaskLogEntry]:
        """Iterate over the lines of the log, also those to come, up to the end of the task."""
        return self._tasks.follow_logs(self.task_id)

    def events(self, *, after: str | None = None) -> AsyncEventStream[TaskEventEntry]:
        """Iterate over what happens to the task, from its beginning to its end."""
        return self._tasks.events(self.task_id, after=after)


class AsyncOperationHandle:
    """An operation that runs in the background."""

    def __init__(self, transport: AsyncTransport, operation_id: UUID) -> None:
        """Made by ``client.operations`` and by the calls that begin one."""
        self.operation_id = operation_id
        self._transport = transport

    def __repr__(self) -> str:
        """Show the id."""
        return f"{type(self).__name__}({str(self.operation_id)!r})"

    async def get(self) -> OperationStatus:
        """Return the operation with its counts and its progress."""
        return await self._transport.call(self._call("get_operation"))

    async def cancel(self) -> OperationStatus:
        """Ask the operation to end. What it has done stays done."""
        return await self._transport.call(self._call("cancel_operation"))

    async def wait(self, timeout: float = WAIT) -> OperationStatus:
        """Return the operation when it has ended: SUCCEEDED or CANCELLED.

        Raises ``OperationFailedError`` when it failed, and ``WaitTimeoutError`` after ``timeout`` seconds.
        """
        wait = Wait(f"operation {self.operation_id}", timeout, self._transport.timeout)
        pause = 0.1
        while True:
            found = await self._transport.call(self._call("get_operation"), max(wait.left(), 1.0))
            if found.status == "FAILED":
                raise OperationFailedError(found)
            if found.status != "RUNNING":
                return found
            wait.check(found.status)
            await sleep(min(pause, wait.left()))
            pause = min(1.5 * pause, LONGEST_PAUSE)

    def _call(self, operation: str) -> Call[OperationStatus]:
        return Call(operation, OperationStatus, path={"operation_id": identifier(self.operation_id)})
