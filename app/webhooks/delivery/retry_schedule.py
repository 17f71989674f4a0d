"""Decide what follows a delivery attempt: the end, or another attempt, and when (pure)."""

import random
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Literal

_MINUTE: Final = 60.0
_HOUR: Final = 3_600.0

DELAYS: Final = (
    5.0, 5 * _MINUTE, 30 * _MINUTE, 2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 14 * _HOUR, 20 * _HOUR, 24 * _HOUR,
)  # fmt: skip
"""Seconds after each failed attempt; one more attempt follows the last delay. The example of Standard Webhooks."""
# Deliveries that failed together would otherwise all come back in the same second.
JITTER: Final = 0.1


@dataclass(frozen=True, slots=True)
class NextStep:
    """The delivery's status after an attempt, and when it is due again."""

    status: Literal["DELIVERED", "PENDING", "FAILED"]
    delay_seconds: float = 0.0
    """Before the next attempt, if there is one."""


def after(attempt: int, status: int | None, retry_after_seconds: float = 0.0, *, is_last: bool = False) -> NextStep:
    """Return what follows attempt number ``attempt`` (from 1), which got an HTTP status or no answer (None).

    ``retry_after_seconds`` is what the answer asked for: the next attempt is not earlier. With ``is_last``
    none follows.
    """
    if status is not None and HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return NextStep("DELIVERED")
    # 410 says that the resource is gone for good (RFC 9110, 15.5.11), so no further attempt is of use.
    if is_last or status == HTTPStatus.GONE or attempt > len(DELAYS):
        return NextStep("FAILED")
    delay = DELAYS[attempt - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 spreads load, guards nothing
    return NextStep("PENDING", max(delay, retry_after_seconds))
