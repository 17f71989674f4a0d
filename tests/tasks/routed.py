"""The API without its dispatcher: FastAPI's routing answers each operation (``uvicorn tests.tasks.routed:app``)."""

from app.http.request_log import RequestLog
from app.main import create_app

app = create_app()
app.front = RequestLog(app.answer_by_fastapi)
