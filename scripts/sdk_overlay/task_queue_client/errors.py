"""What can go wrong, as exceptions: ``TaskQueueError`` is the base of all."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import httpx

from .models import FieldError, OperationStatus, ProblemBody, TaskError
from .reading import read

_MEDIA_TYPE = "application/problem+json"
_OK, _REDIRECT = 200, 300


class TaskQueueError(Exception):
    """The base of every exception of this package."""


class ConfigurationError(TaskQueueError, ValueError):
    """The client lacks a base URL or an API key, or one of them cannot be used."""


class ConnectionFailedError(TaskQueueError):
    """The API could not be reached, or its answer did not come. What was asked may or may not have happened."""

    def __init__(self, message: str, *, was_sent: bool = True) -> None:
        """``was_sent`` is False where the API cannot have seen the request."""
        super().__init__(message)
        self.was_sent = was_sent


class UnexpectedAnswerError(TaskQueueError):
    """The answer is not one of the API's: for example a proxy's page, or another server is at this address."""

    def __init__(self, status: int, why: str) -> None:
        """``status`` is the HTTP status of the answer."""
        super().__init__(f"an answer with status {status} that is not the API's: {why}")
        self.status = status


class APIError(TaskQueueError):
    """The API refused the call. ``code`` is stable; the texts are for people."""

    def __init__(self, body: ProblemBody, retry_after: float | None, members: dict[str, Any]) -> None:
        """Take what the API answered."""
        super().__init__(_line(body))
        self.status: int = body.status
        self.code: str = body.code
        self.title: str = body.title
        self.detail: str = body.detail
        self.request_id: str = body.request_id
        """Give it to the operator when you ask for help: it is in the log of the service."""
        self.errors: tuple[FieldError, ...] = tuple(body.errors or ())
        """With ``invalid_request``: each fault and its place."""
        self.retry_after: float | None = retry_after
        """Seconds after which the same call may succeed, where the API says so."""
        self.members: dict[str, Any] = members
        """The whole body of the answer, with what only this kind of problem has."""


class InvalidRequestError(APIError):
    """The request is not one that the call takes: ``errors`` names each fault."""


class InvalidCursorError(InvalidRequestError):
    """The cursor was not given to this tenant, or it belongs to another call."""


class IdempotencyMismatchError(InvalidRequestError):
    """The idempotency key was used with another request: use a new one."""


class PayloadTooLargeError(InvalidRequestError):
    """The body is larger than the call takes."""


class AuthenticationError(APIError):
    """The API key or token is missing, invalid, expired or revoked."""


class PermissionDeniedError(APIError):
    """The API key is valid, but does not allow the call."""


class TenantSuspendedError(PermissionDeniedError):
    """The operator has suspended the tenant."""


class NotFoundError(APIError):
    """There is no such thing, or it belongs to another tenant, or its retention is over."""


class GoneError(APIError):
    """It existed, and is gone for good."""


class TaskErasedError(GoneError):
    """The task was erased: its payload and result are gone."""


class CursorLostError(GoneError):
    """Events after the cursor are not kept any more: continue after ``oldest_cursor``."""

    @property
    def oldest_cursor(self) -> str | None:
        """The oldest cursor from which the feed can be read."""
        cursor = self.members.get("oldest_cursor")
        return cursor if isinstance(cursor, str) else None


class ConflictError(APIError):
    """The state of the task, or of something else, does not allow the call."""


class LimitReachedError(ConflictError):
    """A limit on the number of keys, members or operations is reached."""


class RateLimitError(APIError):
    """Too many calls at once: try again after ``retry_after`` seconds."""


class QuotaExceededError(RateLimitError):
    """The tasks of the day or of the month are used up, or the backlog is full."""


class ServiceUnavailableError(APIError):
    """The service cannot answer at the moment. What was asked may or may not have happened."""


class ServerError(APIError):
    """An error on the side of the service: report ``request_id`` to the operator."""


class WaitTimeoutError(TaskQueueError, TimeoutError):
    """It has not ended in time. It goes on: you can wait again."""


class TaskFailedError(TaskQueueError):
    """The task has ended without a result."""

    def __init__(self, task_id: UUID, error: TaskError | None, status: str = "FAILURE") -> None:
        """``error`` is the error of the last attempt."""
        what = f"{error.type}: {error.message} (attempt {error.attempt})" if error else "without an error"
        super().__init__(f"task {task_id} ended {status}: {what}")
        self.task_id = task_id
        self.status = status
        self.error = error


class TaskRevokedError(TaskFailedError):
    """The task was cancelled, or did not start in time."""


class OperationFailedError(TaskQueueError):
    """The operation could not go on to its end; ``operation`` has its counts and errors."""

    def __init__(self, operation: OperationStatus) -> None:
        """Take the operation in its last state."""
        details = "; ".join(failure.detail for failure in operation.errors) or "no details"
        super().__init__(f"operation {operation.operation_id} ended {operation.status}: {details}")
        self.operation = operation


BY_CODE: dict[str, type[APIError]] = {
    "bad_request": InvalidRequestError,
    "cursor_lost": CursorLostError,
    "backlog_full": QuotaExceededError,
    "daily_quota": QuotaExceededError,
    "email_taken": ConflictError,
    "idempotency_conflict": ConflictError,
    "idempotency_mismatch": IdempotencyMismatchError,
    "illegal_state": ConflictError,
    "insufficient_scope": PermissionDeniedError,
    "internal": ServerError,
    "invalid_cursor": InvalidCursorError,
    "invalid_request": InvalidRequestError,
    "last_owner": ConflictError,
    "limit_reached": LimitReachedError,
    "malformed_body": InvalidRequestError,
    "method_not_allowed": InvalidRequestError,
    "monthly_quota": QuotaExceededError,
    "no_event_log": ConflictError,
    "not_accepted": ConflictError,
    "not_found": NotFoundError,
    "payload_too_large": PayloadTooLargeError,
    "rate_limited": RateLimitError,
    "request_header_fields_too_large": InvalidRequestError,
    "request_timeout": ServiceUnavailableError,
    "request_uri_too_long": InvalidRequestError,
    "task_erased": TaskErasedError,
    "tenant_needed": ConflictError,
    "tenant_suspended": TenantSuspendedError,
    "too_many_attempts": RateLimitError,
    "too_many_large_bodies": RateLimitError,
    "too_many_lists": RateLimitError,
    "too_many_polls": RateLimitError,
    "too_many_streams": RateLimitError,
    "unauthenticated": AuthenticationError,
    "unavailable": ServiceUnavailableError,
    "unsupported_media_type": InvalidRequestError,
}
"""The exception of each code of the API."""

_BY_STATUS: dict[int, type[APIError]] = {
    400: InvalidRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
    413: PayloadTooLargeError,
    422: InvalidRequestError,
    429: RateLimitError,
    500: ServerError,
    503: ServiceUnavailableError,
}
"""For codes that are newer than this client."""


def refusal(response: httpx.Response) -> TaskQueueError | None:
    """Return what is wrong with an answer that was read; None if the call succeeded."""
    if response.headers.get("content-type", "").startswith(_MEDIA_TYPE):
        return _problem(response)
    if not _OK <= response.status_code < _REDIRECT:
        return UnexpectedAnswerError(response.status_code, "it has no problem details")
    return None


def _problem(response: httpx.Response) -> TaskQueueError:
    try:
        members = json.loads(response.content)
        body = read(ProblemBody, members)
    except (ValueError, TypeError):
        return UnexpectedAnswerError(response.status_code, "its problem details cannot be read")
    kind = BY_CODE.get(body.code) or _BY_STATUS.get(body.status) or APIError
    return kind(body, seconds(response.headers), members)


def seconds(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of ``Retry-After``; None if there are none."""
    value = headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() else None


def _line(body: ProblemBody) -> str:
    faults = "".join(
        f"; {fault.pointer or fault.parameter or fault.header}: {fault.detail}" for fault in body.errors or ()
    )
    return f"{body.status} {body.code}: {body.detail}{faults} (request {body.request_id})"
