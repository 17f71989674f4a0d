"""The same calls without blocking, by the same names."""

import asyncio
import inspect

import task_queue_client as tq
from raising import task_of
from task_queue_client import AsyncTaskQueue, TaskQueue


async def submit_follow_and_wait(client: AsyncTaskQueue) -> None:
    """Many tasks at once, each typed."""
    async with client.events(tag="async") as feed:
        tasks = await asyncio.gather(*(client.tasks.submit("echo", n, tags=["async"]) for n in range(5)))
        assert await asyncio.gather(*(task.wait(30) for task in tasks)) == list(range(5))
        ends = {task_of(await anext(feed)) for _ in tasks}
    assert ends == {task.task_id for task in tasks}
    work = await client.tasks.submit("long_task", {"seconds": 0.2, "steps": 2})
    events = [event.type async for event in work.events()]
    assert events[-1] == "task.succeeded"
    assert (await work.wait())["steps"] == 2
    assert {item.task_id async for item in client.tasks.list(tag="async", page_size=2)} == ends


async def errors_and_operations(client: AsyncTaskQueue) -> None:
    """Exceptions, and acts in the background."""
    late = await client.tasks.submit("echo", 1, delay_seconds=3600, tags=["async-bulk"])
    try:
        await late.wait(0.2)
    except tq.WaitTimeoutError as waited:
        assert "PENDING" in str(waited)
    else:
        raise AssertionError("it ended an hour early")
    operation = await client.tasks.cancel_many(tag="async-bulk")
    assert (await operation.wait(40)).done == 1
    try:
        await late.result()
    except tq.TaskRevokedError as revoked:
        assert revoked.task_id == late.task_id
    else:
        raise AssertionError("it was cancelled")


def names(kind: object) -> dict[str, list[str]]:
    """Return the public names of a class, with the parameters of each."""
    return {
        name: list(inspect.signature(member).parameters) if inspect.isfunction(member) else []
        for name, member in inspect.getmembers(kind)
        if not name.startswith("_")
    }


async def main() -> None:
    """Run all."""
    async with AsyncTaskQueue() as client:
        await submit_follow_and_wait(client)
        await errors_and_operations(client)
    with TaskQueue() as blocking:
        rooms: list[tuple[object, object]] = [
            (client.tasks, blocking.tasks),
            (client.operations, blocking.operations),
            (client.queue, blocking.queue),
            (client.errors, blocking.errors),
            (client.webhooks, blocking.webhooks),
            (client.webhooks.endpoints, blocking.webhooks.endpoints),
            (client.webhooks.deliveries, blocking.webhooks.deliveries),
            (client.keys, blocking.keys),
            (client.members, blocking.members),
        ]
        for one, other in rooms:
            assert names(type(one)) == names(type(other)) != {}
    for one, other in (
        (AsyncTaskQueue, TaskQueue),
        (tq.AsyncTaskHandle, tq.TaskHandle),
        (tq.AsyncOperationHandle, tq.OperationHandle),
        (tq.AsyncEventStream, tq.EventStream),
    ):
        assert names(one) == names(other)


asyncio.run(main())
