"""Dramatiq behind plain routes: its Redis broker and its Redis results, both blocking."""

from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import ResultMissing, Results
from dramatiq.results.backends import RedisBackend
from fastapi import FastAPI

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

broker = RedisBroker(url=BROKER_URL)
broker.add_middleware(Results(backend=RedisBackend(url=RESULT_URL), result_ttl=RESULT_SECONDS * 1000))
dramatiq.set_broker(broker)


@dramatiq.actor(store_results=True)
def echo(payload: Any) -> Any:
    """Return the payload."""
    return payload


app = FastAPI()


@app.post("/tasks", status_code=202)
async def submit(body: Submission) -> Submitted:
    """Send it; a round trip to Redis is shorter than the way to a thread and back."""
    return Submitted(task_id=echo.send(body.payload).message_id)


@app.get("/tasks/{task_id}/result")
async def result(task_id: str) -> Outcome:
    """Tell how it stands."""
    try:
        return Outcome(status=SUCCESS, result=echo.message().copy(message_id=task_id).get_result())
    except ResultMissing:
        return Outcome(status=PENDING)
