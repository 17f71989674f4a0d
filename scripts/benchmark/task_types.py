"""The task types of the load, in workers of ours: nothing at all, and work that waits, in each pool."""

import asyncio
import time

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from app.tasks import TaskContext, task
from app.worker.tasks import EchoPayload


class BusyPayload(BaseModel):
    """How long the slot is taken."""

    model_config = ConfigDict(extra="forbid")

    milliseconds: float = Field(ge=0, le=60_000)


@task("bench.async_echo", pool="asyncio")
async def async_echo(payload: EchoPayload, context: TaskContext) -> JsonValue:  # noqa: ARG001 every type takes one
    """Return the payload: ``echo`` for the asyncio pool."""
    return payload.root


# They sleep, as work does that waits for another service. Work that spins would take the cores from the servers beside
# it, and what it shows would be the operating system's fairness.
@task("bench.busy")
def busy(payload: BusyPayload, context: TaskContext) -> None:  # noqa: ARG001 every type takes one
    """Take a slot so long."""
    time.sleep(payload.milliseconds / 1000)


@task("bench.async_busy", pool="asyncio")
async def async_busy(payload: BusyPayload, context: TaskContext) -> None:  # noqa: ARG001 every type takes one
    """Take a slot so long."""
    await asyncio.sleep(payload.milliseconds / 1000)
