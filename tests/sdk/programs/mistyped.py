"""Mistakes that a type checker finds: each line has one, and an ignore that is not needed is an error itself."""

from task_queue_client import TaskQueue


def mistakes(client: TaskQueue, name: str) -> None:
    """Make one mistake a line."""
    client.tasks.submit("longtask", {})  # type: ignore[call-overload]
    client.tasks.submit(name, {})  # type: ignore[call-overload]
    client.tasks.submit("long_task", {"seconds": "5"})  # type: ignore[call-overload]
    client.tasks.submit("long_task", {"second": 5})  # type: ignore[call-overload]
    client.tasks.submit("long_task", {}, prioritiy=9)  # type: ignore[call-overload]
    client.tasks.submit("long_task", {}).wait()["second"]  # type: ignore[typeddict-item]
    client.tasks.submit_many([{"task": "long_task", "payload": {"seconds": "5"}}])  # type: ignore[list-item, misc]
    client.tasks.list(status="FAILED")  # type: ignore[arg-type]
    client.tasks.list(statuses="FAILURE")  # type: ignore[call-arg]
    client.events(type="task.success")  # type: ignore[arg-type]
    client.keys.issue(scopes=["tasks:read"])  # type: ignore[call-arg]
    client.tasks.cancel_many(statuses=["SUCCESS"])  # type: ignore[list-item]
    client.tasks.status(4711)  # type: ignore[arg-type]
