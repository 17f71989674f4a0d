"""PgQueuer behind plain routes, by a pool of asyncpg; it keeps no results, so the task stores its own."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI, Request
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from scripts.benchmark.peer_api import DATABASE_URL, PENDING, RESULT_TABLE, SUCCESS, Outcome, Submission, Submitted


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the pool and make the tables."""
    async with asyncpg.create_pool(DATABASE_URL) as pool:
        app.state.pool, app.state.queries = pool, Queries(AsyncpgPoolDriver(pool))
        await app.state.queries.install()
        await pool.execute(RESULT_TABLE)
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/tasks", status_code=202)
async def submit(body: Submission, request: Request) -> Submitted:
    """Store it."""
    (job_id,) = await request.app.state.queries.enqueue("echo", json.dumps(body.payload).encode())
    return Submitted(task_id=str(job_id))


@app.get("/tasks/{task_id}/result")
async def result(task_id: int, request: Request) -> Outcome:
    """Tell how it stands."""
    value = await request.app.state.pool.fetchval("SELECT value FROM peer_result WHERE job_id = $1", task_id)
    return Outcome(status=PENDING) if value is None else Outcome(status=SUCCESS, result=json.loads(value))


@asynccontextmanager
async def worker() -> AsyncIterator[PgQueuer]:
    """Make the worker, for ``pgq run``: one connection for the queue, a pool for its tasks."""
    connection = await asyncpg.connect(DATABASE_URL)
    async with asyncpg.create_pool(DATABASE_URL) as pool:
        queue = PgQueuer(AsyncpgDriver(connection))

        @queue.entrypoint("echo")
        async def echo(job: Job) -> None:
            await pool.execute("INSERT INTO peer_result VALUES ($1, $2)", job.id, (job.payload or b"").decode())

        yield queue
    await connection.close()
