"""The naive app: FastAPI, a SQLModel row, ``apply_async``, results from Redis; as most would write it first."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

from celery.result import AsyncResult
from fastapi import Depends, FastAPI
from pydantic import BaseModel
from sqlalchemy import Column, DateTime
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlmodel import Field, SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from scripts.benchmark.naive_worker import celery_app, echo

engine = create_async_engine(os.environ["NAIVE_DATABASE_URL"])
make_session = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)


class NaiveTask(SQLModel, table=True):
    """A task as it was asked for."""

    __tablename__ = "task"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    task: str
    payload: Any = Field(sa_column=Column(JSONB))
    created_at: datetime = Field(
        default_factory=lambda: datetime.now(UTC), sa_column=Column(DateTime(timezone=True), nullable=False)
    )


class Submission(BaseModel):
    """What to run."""

    task: str
    payload: Any


class Submitted(BaseModel):
    """Where to ask."""

    task_id: UUID


class Outcome(BaseModel):
    """How it ended, once it has."""

    status: str
    result: Any = None


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Make the table."""
    async with engine.begin() as connection:
        await connection.run_sync(SQLModel.metadata.create_all)
    yield
    await engine.dispose()


async def get_session() -> AsyncIterator[AsyncSession]:
    """Open a session for a request."""
    async with make_session() as session:
        yield session


app = FastAPI(lifespan=lifespan)


@app.post("/tasks", status_code=202)
async def submit(body: Submission, session: Annotated[AsyncSession, Depends(get_session)]) -> Submitted:
    """Store the task, then queue it; ``apply_async`` is ``delay`` with a chosen id."""
    task = NaiveTask(task=body.task, payload=body.payload)
    session.add(task)
    await session.commit()
    echo.apply_async((body.payload,), task_id=str(task.id))
    return Submitted(task_id=task.id)


@app.get("/tasks/{task_id}/result")
async def result(task_id: UUID) -> Outcome:
    """Tell how it stands."""
    outcome: AsyncResult[Any] = AsyncResult(str(task_id), app=celery_app)
    status = outcome.status
    return Outcome(status=status, result=outcome.result if status == "SUCCESS" else None)
