"""What the clients did and were told: one operation for each idempotency key."""

import threading
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Answer:
    """One try of one call."""

    at: float
    seconds: float
    api: str
    status: int
    """The HTTP status; 0 when there was no answer."""
    detail: str
    has_retry_after: bool
    call: str
    """``submit``, ``cancel`` or ``result``."""

    @property
    def is_improper(self) -> bool:
        """A 5xx that does not say when to come back, or is none of ours."""
        return self.status >= 500 and not (self.status == 503 and self.has_retry_after)


@dataclass
class Operation:
    """One task that a client wants, from the first try to what it was told of its end."""

    key: str
    tenant: str
    kind: str
    body: dict[str, Any]
    answers: list[Answer] = field(default_factory=list)
    task_ids: list[str] = field(default_factory=list)
    """Distinct ones, in the order of the answers: more than one is a duplicate."""
    accepted_at: float | None = None
    is_refused: bool = False
    """A quota said no, for good."""
    seen_ends: list[dict[str, Any]] = field(default_factory=list)
    """What a client read of its end."""

    @property
    def is_accepted(self) -> bool:
        """Whether a 2xx said so."""
        return self.accepted_at is not None

    def accept(self, task_id: str, at: float) -> None:
        """Note a 2xx."""
        self.accepted_at = self.accepted_at or at
        if task_id not in self.task_ids:
            self.task_ids.append(task_id)


class History:
    """Every operation of a run."""

    def __init__(self) -> None:
        self._operations: list[Operation] = []
        self._lock = threading.Lock()

    def begin(self, operation: Operation) -> Operation:
        """Note an operation before its first try."""
        with self._lock:
            self._operations.append(operation)
        return operation

    def all(self) -> list[Operation]:
        """Return what there is by now."""
        with self._lock:
            return list(self._operations)

    def answers(self) -> list[Answer]:
        """Return every answer by now."""
        return [answer for operation in self.all() for answer in list(operation.answers)]

    def as_json(self) -> list[dict[str, Any]]:
        """Return it as plain data."""
        return [asdict(operation) for operation in self.all()]
