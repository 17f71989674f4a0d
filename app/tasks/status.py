"""The statuses of a task."""

from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """The status of a task. SUCCESS, FAILURE and REVOKED are final."""

    PENDING = "PENDING"
    STARTED = "STARTED"
    RETRY = "RETRY"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    REVOKED = "REVOKED"


FINAL: Final = frozenset({Status.SUCCESS, Status.FAILURE, Status.REVOKED})
