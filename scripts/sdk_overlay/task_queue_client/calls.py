"""A call as data: what to send, and how to read the answer. Both clients execute the same calls."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx

from . import writing
from .errors import UnexpectedAnswerError
from .operations import OPERATIONS
from .reading import reader

T_co = TypeVar("T_co", covariant=True)

# These can be sent twice and have the effect of once. Others that make something carry an Idempotency-Key.
_REPEATABLE = frozenset(
    {"cancel_task", "change_task", "erase_task", "pause_queue", "resume_queue", "cancel_operation"}
    | {"resolve_error", "ignore_error", "reopen_error"}
    | {"put_task_type", "heartbeat_leases", "finish_leases", "release_leases"}
)
_NO_CONTENT = 204


@dataclass(frozen=True)
class Call(Generic[T_co]):
    """A call of one operation of the API document."""

    operation: str
    answer: Any
    """The type of the answer."""
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def method(self) -> str:
        """The HTTP method."""
        return OPERATIONS[self.operation][0]

    @property
    def url(self) -> str:
        """The path below the base URL."""
        return OPERATIONS[self.operation][1].format(**self.path)

    @property
    def is_repeatable(self) -> bool:
        """Whether it may be sent again when it is not known if the first one arrived."""
        return self.method == "GET" or self.operation in _REPEATABLE or "Idempotency-Key" in self.headers

    def arguments(self) -> dict[str, Any]:
        """Return the arguments with which httpx sends it."""
        headers = {"Accept": "application/json", **self.headers}
        content = None
        if self.body is not None:
            content, headers["Content-Type"] = writing.body(self.body), "application/json"
        return {"params": writing.parameters(self.query), "headers": headers, "content": content}

    def read(self, response: httpx.Response) -> T_co:
        """Return the answer as the type that the call has."""
        if response.status_code == _NO_CONTENT or self.answer is None:
            return None  # type: ignore[return-value]  # such a call is a Call[None]
        try:
            found: T_co = reader(self.answer)(response.json())
        except (ValueError, TypeError, AttributeError, KeyError):
            why = f"it is no answer of {self.operation}"
        else:
            return found
        raise UnexpectedAnswerError(response.status_code, why)


def identifier(value: UUID | str) -> str:
    """Return an id as it stands in a path; raises ValueError for a text that is none."""
    try:
        return str(value if isinstance(value, UUID) else UUID(value))
    except ValueError:
        raise ValueError(f"{value!r} is not an id") from None


def known(operation: str) -> str:
    """Return the name of an operation; raises ValueError for one that the API document does not have."""
    if operation not in OPERATIONS:
        close = difflib.get_close_matches(operation, OPERATIONS, 1)
        raise ValueError(f"no operation {operation!r}" + (f": did you mean {close[0]}?" if close else ""))
    return operation


def segments(path: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters of a path, so that none of them can lead to another path."""
    return {name: quote(str(value), safe="") for name, value in path.items()}


def keyed(idempotency_key: str | None, traceparent: str | None = None) -> dict[str, str]:
    """Return the headers of a call that makes something: with a key, a call that is sent again makes it once."""
    trace = {"traceparent": traceparent} if traceparent else {}
    return {"Idempotency-Key": idempotency_key or uuid4().hex, **trace}
