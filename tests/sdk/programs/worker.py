"""A worker whose handlers do what the test asks for; it says what it does."""

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import task_queue_client as tq


def say(*words: object) -> None:
    """Print a line at once: the test reads it while the program runs."""
    print(*words, flush=True)  # noqa: T201  # as it says


def until(path: str, context: tq.TaskContext) -> str:
    """Work until a file is there, or the context says that it is of no use."""
    say("began", context.attempt)
    while not Path(path).exists():
        if context.cancel_requested:
            say("cancelled")
            raise InterruptedError("cancelled")
        if context.lease_lost:
            say("lost")
            raise InterruptedError("lost")
        time.sleep(0.05)
    return "done"


def blocking(prefix: str, grace: str) -> None:
    """Run the blocking worker."""
    with tq.TaskQueue() as client:
        worker = client.worker("w-blocking", concurrency=2, lease_seconds=15, grace_seconds=float(grace), version="7")

        @worker.task(f"{prefix}.double")
        def double(payload: Any, context: tq.TaskContext) -> dict[str, Any]:
            context.progress(1, 2, "half")
            context.log("doubling", n=payload["n"])
            return {"n": 2 * payload["n"], "key": context.idempotency_key, "id": str(context.task_id)}

        @worker.task(f"{prefix}.fail")
        def fail(payload: Any, context: tq.TaskContext) -> object:
            if payload == "for good":
                raise tq.TaskFailure("no use", type="Useless")
            if payload == "not JSON":
                return {1, object()}
            raise LookupError(f"attempt {context.attempt}")

        @worker.task(f"{prefix}.until")
        def wait(payload: Any, context: tq.TaskContext) -> str:
            return until(payload, context)

        say("ready")
        worker.run()
    say("ended")


async def run_async(prefix: str) -> None:
    """Run the worker of asyncio."""
    async with tq.AsyncTaskQueue() as client:
        worker = client.worker("w-async", concurrency=2, lease_seconds=15)

        @worker.task(f"{prefix}.double")
        async def double(payload: Any, context: tq.TaskContext) -> dict[str, Any]:
            await asyncio.sleep(0)
            return {"n": 2 * payload["n"], "attempt": context.attempt}

        say("ready")
        await worker.run()
    say("ended")


def concurrent(prefix: str, _: str) -> None:
    """Run the worker of asyncio."""
    asyncio.run(run_async(prefix))


globals()[sys.argv[1]](*sys.argv[2:])
