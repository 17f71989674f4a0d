"""Programs to which bad things happen meanwhile; each says what it does, and what came of it."""

import sys
from collections.abc import Callable
from itertools import islice

import httpx
import task_queue_client as tq
from task_queue_client import TaskQueue


def say(*words: object) -> None:
    """Print a line at once: the test reads it while the program runs."""
    print(*words, flush=True)  # noqa: T201  # as it says


def wait(client: TaskQueue, path: str) -> None:
    """Wait for a task that goes on when a file is there."""
    task = client.tasks.submit(tq.TaskName("test.logs"), {"lines": 1, "until": path})
    say("result", task.wait(timeout=60))


def stream(client: TaskQueue, path: str) -> None:
    """Follow a task and the feed."""
    with client.events(tag="stream") as feed:
        task = client.tasks.submit(tq.TaskName("test.logs"), {"lines": 3, "until": path}, tags=["stream"])
        for event in task.events():
            say(event.type, event.data.get("message", ""))
        say("feed", *(event.type for event in islice(feed, 1)))


def submit(client: TaskQueue, tag: str) -> None:
    """Submit one task in each way."""
    task = client.tasks.submit("echo", 1, tags=[tag])
    (other,) = client.tasks.submit_many([{"task": "echo", "payload": 2, "tags": [tag]}])
    assert isinstance(other, tq.TaskHandle)
    again = task.retry() if task.wait() == 1 else None
    say("ids", task.task_id, other.task_id, again and again.task_id)


def calls(client: TaskQueue, count: str) -> None:
    """Ask many times."""
    say("answers", len([client.limits() for _ in range(int(count))]))


def idle(client: TaskQueue, seconds: str) -> None:
    """Wait for tasks in each way while nothing is to be said."""
    with client.events(tag="idle") as feed:
        task = client.tasks.submit("long_task", {"seconds": float(seconds), "steps": 1}, tags=["idle"])
        say("result", task.wait(timeout=60)["steps"])
        say("feed", next(feed).type)
        say("events", [event.type for event in task.events()][-1])


def main() -> None:
    """Run the program that is named, and say which requests it sends and what is answered."""

    def sent(request: httpx.Request) -> None:
        say("sent", request.url.path)

    def answered(response: httpx.Response) -> None:
        say("answered", response.status_code)

    hooks: dict[str, list[Callable[..., None]]] = {"request": [sent], "response": [answered]}
    with httpx.Client(event_hooks=hooks, trust_env=False) as http, TaskQueue(http=http) as client:
        globals()[sys.argv[1]](client, sys.argv[2])


main()
