"""Progress reports of one attempt: the first is written at once, then the latest of each interval."""

import threading
import time

import pytest

from app.tasks.definition.context import Progress
from app.worker.progress import INTERVAL, ProgressReporter
from tests.conftest import wait_until


class Written:
    """What has been written, and when."""

    def __init__(self) -> None:
        self.reports: list[Progress] = []
        self.moments: list[float] = []

    def __call__(self, progress: Progress) -> None:
        self.reports.append(progress)
        self.moments.append(time.monotonic())


@pytest.fixture
def written() -> Written:
    return Written()


def _progress(done: int) -> Progress:
    return Progress(done=done, total=100, note=None)


def test_the_first_report_is_written_at_once_and_of_those_that_follow_the_latest(written: Written):
    reporter = ProgressReporter(written)
    for done in range(50):
        reporter.report(_progress(done))
    assert written.reports == [_progress(0)]
    wait_until(lambda: len(written.reports) > 1, "the end of the interval", 5)
    assert written.reports == [_progress(0), _progress(49)]
    assert written.moments[1] - written.moments[0] >= INTERVAL * 0.9
    reporter.take()


def test_a_report_after_a_pause_is_written_at_once(written: Written):
    reporter = ProgressReporter(written)
    reporter.report(_progress(1))
    wait_until(lambda: reporter._timer is None, "the end of the interval", 5)
    reporter.report(_progress(2))
    assert written.reports == [_progress(1), _progress(2)]
    reporter.take()


def test_the_end_takes_the_latest_report_and_nothing_is_written_after_it(written: Written):
    reporter = ProgressReporter(written)
    for done in (1, 2):
        reporter.report(_progress(done))
    assert reporter.take() == _progress(2)
    # A thread that the code has left behind may still report.
    late = threading.Thread(target=reporter.report, args=(_progress(3),))
    late.start()
    late.join()
    timer = reporter._timer
    assert timer is not None
    timer.join(5)
    assert written.reports == [_progress(1)]


def test_an_attempt_that_reports_nothing_ends_with_nothing(written: Written):
    assert ProgressReporter(written).take() is None
    assert written.reports == []
