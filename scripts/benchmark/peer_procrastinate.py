"""Procrastinate behind plain routes, by a pool of psycopg; it keeps no results, so the task stores its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from procrastinate import App, JobContext, PsycopgConnector

from scripts.benchmark.peer_api import DATABASE_URL, PENDING, RESULT_TABLE, SUCCESS, Outcome, Submission, Submitted

connector = PsycopgConnector(conninfo=DATABASE_URL, min_size=4, max_size=10)
queue = App(connector=connector)


@queue.task(name="echo", pass_context=True)
async def echo(context: JobContext, payload: dict[str, Any]) -> None:
    """Keep the payload."""
    await connector.execute_query_async(
        "INSERT INTO peer_result VALUES (%(job_id)s, %(value)s)", job_id=context.job.id, value=payload
    )


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Open the pool and make the tables."""
    async with queue.open_async():
        await queue.schema_manager.apply_schema_async()
        await connector.execute_query_async(RESULT_TABLE)
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/tasks", status_code=202)
async def submit(body: Submission) -> Submitted:
    """Store it."""
    return Submitted(task_id=str(await echo.defer_async(payload=body.payload)))


@app.get("/tasks/{task_id}/result")
async def result(task_id: int) -> Outcome:
    """Tell how it stands."""
    rows = await connector.execute_query_all_async(
        "SELECT value FROM peer_result WHERE job_id = %(job_id)s", job_id=task_id
    )
    return Outcome(status=SUCCESS, result=rows[0]["value"]) if rows else Outcome(status=PENDING)
