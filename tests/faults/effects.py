"""Task types of the suite's own: what their code does is written to a file, beside all that the product writes."""

import asyncio
import json
import os
import signal
import time
from typing import Literal

from pydantic import BaseModel, Field

from app.tasks import TaskContext, task

FILE = "FAULTS_EFFECTS"
"""The environment variable that names the file; one JSON object a line."""


class Effect(BaseModel):
    """How long to work, and how many first attempts fail."""

    seconds: float = Field(0, ge=0, le=600)
    fail_attempts: int = Field(0, ge=0, le=25)
    value: int = 0


class Poison(BaseModel):
    """What to do to the own process."""

    kind: Literal["kill", "exit", "memory", "loop"]


@task("faults.effect", autoretry_for=(Exception,), max_attempts=20, retry_backoff=0.1, retry_backoff_max=0.5)
def effect(payload: Effect, context: TaskContext) -> int:
    """Leave a trace, work, leave another."""
    token = _claim_token()
    _write(context, token, "begin")
    try:
        if context.attempt <= payload.fail_attempts:
            raise OSError("asked for")
        ends_at = time.monotonic() + payload.seconds
        while (left := ends_at - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))
    finally:
        _write(context, token, "end")
    return payload.value


@task("faults.io_effect", max_attempts=20, retry_backoff=0.1, retry_backoff_max=0.5, pool="asyncio")
async def io_effect(payload: Effect, context: TaskContext) -> int:
    """Leave a trace, wait, leave another."""
    token = _claim_token_of(context)
    _write(context, token, "begin")
    try:
        if context.attempt <= payload.fail_attempts:
            raise OSError("asked for")
        await asyncio.sleep(payload.seconds)
    finally:
        _write(context, token, "end")
    return payload.value


@task("faults.poison", max_attempts=2, retry_backoff=0.1, retry_backoff_max=0.2, time_limit=2)
def poison(payload: Poison, context: TaskContext) -> None:
    """Do what ends processes."""
    _write(context, _claim_token(), "begin")
    if payload.kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif payload.kind == "exit":
        os._exit(3)
    elif payload.kind == "memory":
        bytearray(1 << 60)
    while True:
        try:
            time.sleep(0.2)
        except BaseException:  # noqa: BLE001 deaf on purpose
            continue


class Wedge(BaseModel):
    """What to do to the own event loop."""

    kind: Literal["block", "stop", "cancel", "swallow"]


@task("faults.wedge", max_attempts=1, time_limit=2)
async def wedge(payload: Wedge, context: TaskContext) -> None:
    """Do what takes an event loop from all who share it, and never end."""
    _write(context, _claim_token(), "begin")
    await _wedge(payload)


@task("faults.io_wedge", max_attempts=1, time_limit=2, pool="asyncio")
async def io_wedge(payload: Wedge, context: TaskContext) -> None:
    """Do the same on a loop that many share."""
    _write(context, _claim_token_of(context), "begin")
    await _wedge(payload)


async def _wedge(payload: Wedge) -> None:
    if payload.kind == "block":
        time.sleep(120)  # noqa: ASYNC251 that is the mistake
    elif payload.kind == "stop":
        asyncio.get_running_loop().stop()
    elif payload.kind == "cancel":
        for one in asyncio.all_tasks():
            one.cancel()
    while True:
        try:
            await asyncio.sleep(1)
        except BaseException:
            if payload.kind != "swallow":
                raise


def _claim_token_of(context: TaskContext) -> str:
    from app.worker.jobs import _ThisProcess  # noqa: PLC0415

    pool = _ThisProcess.pool._asyncio_pool
    return next(str(one.claim_token) for one in pool.attempts() if one.task_id == context.task_id)


def _claim_token() -> str:
    # Imported here: the api knows the task types too, and has no worker. The context does not tell the token.
    from app.worker.jobs import _ThisProcess  # noqa: PLC0415

    return next(str(one.claim_token) for one in _ThisProcess.pool._shared_attempts.running() if one.pid == os.getpid())


def _write(context: TaskContext, token: str, what: str) -> None:
    line = {
        "task": str(context.task_id), "attempt": context.attempt, "token": token, "what": what, "pid": os.getpid(),
        "at": time.time(),
    }  # fmt: skip
    descriptor = os.open(os.environ[FILE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        # One write of one line: appends of several processes do not mix.
        os.write(descriptor, (json.dumps(line) + "\n").encode())
    finally:
        os.close(descriptor)
