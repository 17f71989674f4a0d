"""The naive app's Celery side: broker and results in Redis, everything else as it comes."""

import os
from typing import Any

from celery import Celery

celery_app = Celery("naive", broker=os.environ["NAIVE_BROKER_URL"], backend=os.environ["NAIVE_RESULT_URL"])


@celery_app.task(name="echo")
def echo(payload: Any) -> Any:
    """Return the payload."""
    return payload
