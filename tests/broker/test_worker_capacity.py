"""The end of a job on a thread wakes the worker's event loop."""

import select
import threading
from concurrent.futures import ThreadPoolExecutor

from app.broker.worker_capacity import drain_wakeups, wake_on_job_end


def _is_readable(wake: int, seconds: float) -> bool:
    return bool(select.select([wake], [], [], seconds)[0])


def test_the_end_of_a_job_wakes_and_nothing_else_does():
    may_end = threading.Event()
    with ThreadPoolExecutor(2) as executor:
        wake = wake_on_job_end(executor)
        job = executor.submit(may_end.wait, 30)
        assert not _is_readable(wake, 0.1)
        may_end.set()
        assert _is_readable(wake, 30)
        assert job.result()
        drain_wakeups(wake)
        assert not _is_readable(wake, 0)


def test_a_job_that_raises_wakes_too_and_one_look_hears_of_many():
    with ThreadPoolExecutor(2) as executor:
        wake = wake_on_job_end(executor)
        for _ in range(5):
            executor.submit(int, "x")
    assert _is_readable(wake, 30)
    drain_wakeups(wake)
    assert not _is_readable(wake, 0)
    # A second loop may have heard of it first.
    drain_wakeups(wake)
