"""What a type checker knows of the client: this program is not run, and has no error under strict settings."""

from http.server import BaseHTTPRequestHandler
from typing import Any, assert_type
from uuid import UUID

from task_queue_client import AsyncTaskHandle, AsyncTaskQueue, NewTask, TaskHandle, TaskName, TaskQueue, verify_webhook
from task_queue_client.models import Event, EventData, RefusedTask, TaskStatus, TaskSummary
from task_queue_client.task_types import LongTaskPayload, LongTaskResult


def results_are_those_of_the_task(client: TaskQueue) -> None:
    """The name of the task decides about the payload and the result."""
    task = client.tasks.submit("long_task", {"seconds": 2, "value": [1]}, priority=9, tags=["a"])
    assert_type(task, TaskHandle[LongTaskResult])
    assert_type(task.wait(timeout=60), LongTaskResult)
    assert_type(task.result()["steps"], int)
    assert_type(task.retry(), TaskHandle[LongTaskResult])
    assert_type(task.status(), TaskStatus)
    payload: LongTaskPayload = {"steps": 3}
    assert_type(client.tasks.submit("long_task", payload).wait()["seconds"], float)
    client.tasks.submit("long_task")


def ids_are_uuids_or_texts(client: TaskQueue, known: str) -> None:
    """What one call returns is what the next one takes."""
    task = client.tasks.submit("echo", {"any": "thing"})
    assert_type(task.task_id, UUID)
    client.tasks.status(task.task_id)
    client.tasks.status(known)
    client.tasks.cancel_many(ids=[task.task_id, known])


def lists_are_iterators(client: TaskQueue) -> None:
    """Of what they list."""
    for item in client.tasks.list(status="FAILURE", tag="a"):
        assert_type(item, TaskSummary)
    for event in client.events(type="task.failed"):
        assert_type(event, Event)
        if isinstance(event.data, EventData) and event.data.error is not None:
            assert_type(event.data.error.message, str)


def batches_are_typed(client: TaskQueue) -> None:
    """Each item by its task."""
    tasks: list[NewTask] = [{"task": "echo", "payload": n} for n in range(3)]
    tasks.append({"task": "long_task", "payload": {"seconds": 1}, "delay_seconds": 5})
    for outcome in client.tasks.submit_many(tasks):
        if isinstance(outcome, RefusedTask):
            assert_type(outcome.error.code, str)
        else:
            assert_type(outcome, TaskHandle[Any])


def other_types_are_named_so(client: TaskQueue, name: str) -> None:
    """A name that the client does not know is not mistaken for a slip."""
    assert_type(client.tasks.submit(TaskName(name), {"free": "form"}).wait(), Any)


class WebhookHandler(BaseHTTPRequestHandler):
    """Python's own server takes a webhook."""

    def do_POST(self) -> None:
        """Verify it."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert_type(verify_webhook(body, self.headers, "whsec_…").type, str)


async def the_same_without_blocking(client: AsyncTaskQueue) -> None:
    """By the same names."""
    task = await client.tasks.submit("long_task", {"seconds": 2})
    assert_type(task, AsyncTaskHandle[LongTaskResult])
    assert_type((await task.wait())["steps"], int)
    async for item in client.tasks.list():
        assert_type(item.task_id, UUID)
