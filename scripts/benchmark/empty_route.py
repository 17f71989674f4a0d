"""The floor: a FastAPI route that reads JSON, keeps nothing and answers 202 with an id."""

from uuid import uuid4

from fastapi import FastAPI, Request

app = FastAPI()


@app.post("/tasks", status_code=202)
async def submit(request: Request) -> dict[str, str]:
    """Promise nothing."""
    await request.json()
    return {"task_id": str(uuid4())}
