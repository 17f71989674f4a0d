"""Two routes that keep nothing, in the API itself: an open one, and one behind its authentication and admission."""

from uuid import uuid4

from fastapi import Request

from app.identity.dependencies import TaskWriter
from app.main import create_app

app = create_app()


@app.post("/open", status_code=202, include_in_schema=False)
async def submit_to_open(request: Request) -> dict[str, str]:
    """Promise nothing, to anybody."""
    await request.json()
    return {"task_id": str(uuid4())}


@app.post("/gated", status_code=202, include_in_schema=False)
async def submit_to_gated(request: Request, _principal: TaskWriter) -> dict[str, str]:
    """Promise nothing, to who may call now."""
    await request.json()
    return {"task_id": str(uuid4())}
