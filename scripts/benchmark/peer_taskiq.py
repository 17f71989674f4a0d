"""Taskiq behind plain routes: Redis streams with acknowledgements, results in Redis, JSON by orjson."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from fastapi import FastAPI
from taskiq.serializers import ORJSONSerializer
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker
from taskiq_redis.exceptions import ResultIsMissingError

from scripts.benchmark.peer_api import (
    BROKER_URL,
    PENDING,
    RESULT_SECONDS,
    RESULT_URL,
    SUCCESS,
    Outcome,
    Submission,
    Submitted,
)

results: RedisAsyncResultBackend[Any] = RedisAsyncResultBackend(
    RESULT_URL, result_ex_time=RESULT_SECONDS, serializer=ORJSONSerializer()
)
broker = (
    RedisStreamBroker(BROKER_URL)
    .with_result_backend(results)
    .with_serializer(ORJSONSerializer())
    .with_id_generator(lambda: str(uuid4()))
)


@broker.task
async def echo(payload: Any) -> Any:
    """Return the payload."""
    return payload


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Connect."""
    await broker.startup()
    yield
    await broker.shutdown()


app = FastAPI(lifespan=lifespan)


@app.post("/tasks", status_code=202)
async def submit(body: Submission) -> Submitted:
    """Send it."""
    task = await echo.kiq(body.payload)
    return Submitted(task_id=task.task_id)


@app.get("/tasks/{task_id}/result")
async def result(task_id: str) -> Outcome:
    """Tell how it stands."""
    try:
        outcome = await results.get_result(task_id)
    except ResultIsMissingError:
        return Outcome(status=PENDING)
    return Outcome(status="FAILURE" if outcome.is_err else SUCCESS, result=outcome.return_value)
