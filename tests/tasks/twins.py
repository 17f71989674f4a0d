"""The API without its fast path: each call is answered by its route (``uvicorn tests.tasks.twins:app``)."""

from fastapi import FastAPI
from starlette.types import ASGIApp

from app.core.requests import RequestLog
from app.main import create_app

app = create_app()


def _build() -> ASGIApp:
    return RequestLog(FastAPI.build_middleware_stack(app))


app.build_middleware_stack = _build  # type: ignore[method-assign]
