"""No secret is shown by anything that a program prints by accident; the test looks for the key in the output."""

import asyncio
import logging
import traceback
from collections.abc import Callable

import httpx
from task_queue_client import AsyncTaskQueue, ConfigurationError, TaskQueue

logging.basicConfig(level=logging.DEBUG)


def shown(call: Callable[[], object]) -> None:
    """Print the traceback of a failure with the local variables of each frame, as error trackers do."""
    try:
        call()
    except Exception as error:  # noqa: BLE001  # whatever it is
        print("".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()))  # noqa: T201
    else:
        raise AssertionError("it did not fail")


async def streamed(client: AsyncTaskQueue) -> None:
    """Ask for an event."""
    async for _ in client.events():
        pass


with TaskQueue(retry_seconds=0) as client:
    print(client, vars(client), vars(client.tasks), vars(client._transport))  # noqa: T201  # as people do
    client.limits()
    shown(lambda: client.tasks.get("019ab2c4-7c1e-7d3a-9b50-5f0c6b1f2a10"))
    shown(lambda: client.tasks.submit("long_task", {"seconds": -1}))
with TaskQueue(base_url="http://127.0.0.1:9", retry_seconds=0) as nowhere:
    shown(nowhere.limits)
    shown(lambda: next(nowhere.events()))
    shown(lambda: asyncio.run(AsyncTaskQueue(base_url="http://127.0.0.1:9", retry_seconds=0).limits()))
    shown(lambda: asyncio.run(streamed(AsyncTaskQueue(base_url="http://127.0.0.1:9", retry_seconds=0))))
shown(lambda: TaskQueue(base_url="http://user:pass@host").limits())
for broken in ("tq_live_\nsecret", "tq_live_ä"):
    try:
        TaskQueue(broken)
    except ConfigurationError as error:
        assert "tq_live_" not in str(error)
    else:
        raise AssertionError("such a key is none")
assert isinstance(client._transport._http, httpx.Client)  # what is shown above is the real thing
