"""Task types of an operator's own, as ``TASK_MODULES`` names them."""

import asyncio

from pydantic import BaseModel

from app.tasks import TaskContext, task


class Sum(BaseModel):
    """Two numbers."""

    a: int
    b: int


@task("test.add")
async def add(payload: Sum, context: TaskContext) -> int:
    """Add, in a coroutine."""
    await asyncio.sleep(0)
    context.progress(1, 1)
    return payload.a + payload.b


@task("test.not_json")
def not_json(payload: Sum, context: TaskContext) -> float:
    """Return what JSON cannot say."""
    return float("nan")


@task("test.exit")
def leave(payload: Sum, context: TaskContext) -> int:
    """Try to end the worker."""
    raise SystemExit(3)


@task("test.fails", autoretry_for=(OSError,))
def fails(payload: Sum, context: TaskContext) -> int:
    """Raise what is not worth another attempt."""
    raise ValueError("for good")
