"""A Celery app on the ring whose ``run_next`` records what it ran, for the workers that the tests start."""

import os
import time

from celery import Celery
from redis import Redis

from app.broker.wiring import configure

REDIS_URL = os.environ["REDIS_URL"]
app = configure(Celery("recorder"), REDIS_URL)
# The product's workers take no commands; the tests ask these what they are doing.
app.conf.worker_enable_remote_control = True


@app.task(name="run_next")
def run_next(tenant_id: str) -> None:
    """Record the tenant and the worker, after the pause (seconds) that the test asks for."""
    with Redis.from_url(REDIS_URL, decode_responses=True) as redis:
        redis.rpush("ran", f"{os.environ['WORKER']} {tenant_id}")
        time.sleep(float(redis.get("pause") or 0))
