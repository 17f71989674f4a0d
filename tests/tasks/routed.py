"""The API without its dispatcher: FastAPI's routing answers each operation (``uvicorn tests.tasks.routed:app``)."""

from app.main import create_app

app = create_app()
app.dispatched = ()
