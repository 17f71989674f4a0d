"""The API without its fast path: each call is answered by its route (``uvicorn tests.tasks.twins:app``)."""

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from app.http.request_log import RequestLog
from app.main import create_app

app = create_app()


async def _routes(scope: Scope, receive: Receive, send: Send) -> None:
    await FastAPI.__call__(app, scope, receive, send)


app.front = RequestLog(_routes)
