"""Where a task stands."""

from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """Where a task stands; the last three are final."""

    PENDING = "PENDING"
    STARTED = "STARTED"
    RETRY = "RETRY"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    REVOKED = "REVOKED"


FINAL: Final = frozenset({Status.SUCCESS, Status.FAILURE, Status.REVOKED})
