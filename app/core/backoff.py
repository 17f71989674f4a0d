"""Compute the delay before another attempt (pure)."""

import random


def delay(failures: int, *, factor: float, maximum: float, jitter: bool) -> float:
    """Return the seconds before the next attempt after ``failures`` >= 1 failed ones.

    Exponential backoff with full jitter, as in Celery (celery/utils/time.py, get_exponential_backoff_interval):
    ``min(maximum, factor * 2 ** (failures - 1))``; with jitter, a uniformly random number between 0 and that.
    """
    # The exponent is bounded first, because 2.0 ** 10_000 raises OverflowError.
    interval = min(maximum, factor * 2.0 ** min(failures - 1, 62))
    return random.uniform(0, interval) if jitter else interval  # noqa: S311 spreads load, guards nothing
