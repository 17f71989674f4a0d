"""The Celery app: ``celery -A app.celery_app worker``."""

from celery import Celery

from app.broker.wiring import configure
from app.core.config import get_settings

celery_app = configure(Celery("task_queue"), get_settings().redis_url)
celery_app.conf.imports = ("app.worker.jobs",)

# The name by which `celery -A` finds it.
app = celery_app
