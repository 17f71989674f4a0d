"""Compute the delay before another attempt (pure)."""

import random


def delay(failures: int, *, factor: float, maximum: float, jitter: bool) -> float:
    """Return the seconds before the next attempt after ``failures`` >= 1 failed ones.

    Exponential with full jitter, as Celery computes it (celery/utils/time.py, get_exponential_backoff_interval):
    ``min(maximum, factor * 2 ** (failures - 1))``, and with jitter an even draw from 0 to that.
    """
    # The exponent is bounded first: 2 ** 10,000 is a float overflow, not a long wait.
    interval = min(maximum, factor * 2.0 ** min(failures - 1, 62))
    return random.uniform(0, interval) if jitter else interval  # noqa: S311 spreads load, guards nothing
