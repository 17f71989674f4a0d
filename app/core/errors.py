"""The errors that a caller of the API may see. They are raised anywhere and rendered in app/http/problem.py.

Problem                     status, code, title
├── Unauthenticated         401
├── InsufficientScope       403, and OriginRefused, TenantSuspended
├── NotFound                404
├── IllegalState            409, and IdempotencyConflict, LimitReached, EmailTaken, LastOwner, NoEventLog,
│                           TenantNeeded, NotAccepted
├── CursorLost              410, and TaskErased
├── MalformedBody           400, and InvalidCursor, InvalidCredentials
├── PayloadTooLarge         413
├── UnsupportedMediaType    415
├── InvalidRequest          422, and IdempotencyMismatch
├── RateLimited             429, and BacklogFull, DailyQuotaExceeded, MonthlyQuotaExceeded, TooManyAttempts,
│                           TooManyLargeBodies, TooManyLists, TooManyPolls, TooManyStreams
└── Unavailable             503
"""

from math import ceil
from typing import Any, ClassVar


class Problem(Exception):  # noqa: N818 RFC 9457 names it so
    """An RFC 9457 problem. ``extensions`` become members of the body, ``headers`` are sent with the response."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"

    def __init__(self, detail: str, *, headers: dict[str, str] | None = None, **extensions: Any) -> None:
        """``detail`` tells the caller what to do. It must not repeat any of the input."""
        super().__init__(detail)
        self.detail = detail
        self.headers = headers or {}
        self.extensions = extensions


class Unauthenticated(Problem):
    """The credentials are missing or not valid."""

    status, code, title = 401, "unauthenticated", "Authentication required"


class InsufficientScope(Problem):
    """The credentials are valid, but do not allow this operation."""

    status, code, title = 403, "insufficient_scope", "Insufficient scope"


class OriginRefused(Problem):
    """The request comes from a web page of another origin, and this address is for programs."""

    status, code, title = 403, "origin_refused", "Origin refused"


class TenantSuspended(Problem):
    """The operator has suspended the tenant."""

    status, code, title = 403, "tenant_suspended", "Tenant suspended"


class NotFound(Problem):
    """The id is unknown or belongs to another tenant. The answer is the same for both."""

    status, code, title = 404, "not_found", "Not found"


class InvalidRequest(Problem):
    """The request is well-formed, but not valid for the operation."""

    status, code, title = 422, "invalid_request", "Invalid request"


class InvalidCursor(Problem):
    """The cursor was not issued to this tenant."""

    status, code, title = 400, "invalid_cursor", "Invalid cursor"


class TaskErased(Problem):
    """The tenant has erased the task, and with it what is asked for."""

    status, code, title = 410, "task_erased", "Task erased"


class CursorLost(Problem):
    """The events after the cursor are not kept any more, or the database was set back to an earlier state."""

    status, code, title = 410, "cursor_lost", "Cursor lost"

    def __init__(self, *, oldest_cursor: str) -> None:
        """``oldest_cursor`` is the place before the oldest event that is kept."""
        detail = (
            "Events after this cursor are not kept any more, or the database was set back to an earlier state. "
            "Continue after oldest_cursor, and compare the tasks that you follow with their status."
        )
        super().__init__(detail, oldest_cursor=oldest_cursor)


class MalformedBody(Problem):
    """The body is not strict JSON."""

    status, code, title = 400, "malformed_body", "Malformed body"


class UnsupportedMediaType(Problem):
    """The body is not ``application/json``, or has a content encoding."""

    status, code, title = 415, "unsupported_media_type", "Unsupported media type"


class PayloadTooLarge(Problem):
    """The body is larger than any request may be."""

    status, code, title = 413, "payload_too_large", "Payload too large"


class InvalidCredentials(Problem):
    """The credentials were sent twice or in two ways, so that it is not clear who is calling."""

    status, code, title = 400, "invalid_request", "Ambiguous credentials"


class IdempotencyConflict(Problem):
    """The first request with this idempotency key is still in progress."""

    status, code, title = 409, "idempotency_conflict", "Request in progress"


class IdempotencyMismatch(Problem):
    """The idempotency key was used for a different request."""

    status, code, title = 422, "idempotency_mismatch", "Idempotency key reused"


class IllegalState(Problem):
    """The task's status does not allow this operation."""

    status, code, title = 409, "illegal_state", "Not possible in this status"


class LimitReached(Problem):
    """The tenant has as many objects of a kind as its plan allows."""

    status, code, title = 409, "limit_reached", "Limit reached"


class EmailTaken(Problem):
    """A member of this tenant has the e-mail address."""

    status, code, title = 409, "email_taken", "E-mail address taken"


class TenantNeeded(Problem):
    """The person is a member of several tenants, and the login does not say of which."""

    status, code, title = 409, "tenant_needed", "Choose a tenant"


class NotAccepted(Problem):
    """The person has not accepted the membership yet."""

    status, code, title = 409, "not_accepted", "Invitation not accepted"


class NoEventLog(Problem):
    """The tenant's limit ``event_hours`` is 0, so it has no events to read."""

    status, code, title = 409, "no_event_log", "No event log"


class LastOwner(Problem):
    """The change would leave the tenant without an owner who can log in."""

    status, code, title = 409, "last_owner", "Last owner"


class TooManyAttempts(Problem):
    """Too many logins or tokens were requested from this address or for this account."""

    status, code, title = 429, "too_many_attempts", "Too many attempts"

    def __init__(self, seconds: float) -> None:
        """Tell the caller to wait for ``seconds``, rounded up."""
        wait = str(max(1, ceil(seconds)))
        super().__init__("Too many attempts. Wait as long as Retry-After says.", headers={"Retry-After": wait})


class RateLimited(Problem):
    """The tenant sends more requests than its rate limit allows."""

    status, code, title = 429, "rate_limited", "Too many requests"


class TooManyLargeBodies(Problem):
    """The tenant's large bodies take so long to read that other tenants would wait for them."""

    status, code, title = 429, "too_many_large_bodies", "Too many large bodies"


class TooManyLists(Problem):
    """The tenant already has two requests under way that read lists or tasks with their attempts."""

    status, code, title = 429, "too_many_lists", "Too many lists at once"

    def __init__(self) -> None:
        """Tell the caller to wait for a second."""
        detail = "Two lists, or whole tasks, of yours are being read. Wait for them, or as long as Retry-After says."
        super().__init__(detail, headers={"Retry-After": "1"})


class TooManyPolls(Problem):
    """The tenant has as many waiting lease calls as its plan allows."""

    status, code, title = 429, "too_many_polls", "Too many polls"

    def __init__(self, limit: int) -> None:
        """``limit`` is the number of lease calls of the tenant that may wait in one api process."""
        detail = (
            "As many lease calls of the tenant wait as its limit parked_polls allows. Ask for more tasks with one call "
            "(max), ask without wait_seconds, or ask for a larger plan."
        )
        super().__init__(detail, headers={"Retry-After": "5"}, limit=limit, retry_after=5)


class TooManyStreams(Problem):
    """The tenant has as many open streams as its plan allows."""

    status, code, title = 429, "too_many_streams", "Too many streams"

    def __init__(self, limit: int) -> None:
        """``limit`` is the number of streams that the tenant may have open in one api process."""
        detail = "The tenant has as many open streams as its limit allows. Close one, or ask for a larger plan."
        super().__init__(detail, headers={"Retry-After": "5"}, limit=limit, retry_after=5)


class BacklogFull(Problem):
    """The tenant has as many waiting tasks as its plan allows."""

    status, code, title = 429, "backlog_full", "Backlog full"


class DailyQuotaExceeded(Problem):
    """The tenant has used up its tasks of the day."""

    status, code, title = 429, "daily_quota", "Daily quota exceeded"


class MonthlyQuotaExceeded(Problem):
    """The tenant has used up its tasks of the month."""

    status, code, title = 429, "monthly_quota", "Monthly quota exceeded"


class Unavailable(Problem):
    """A server that the service needs is unavailable. Nothing was accepted."""

    status, code, title = 503, "unavailable", "Temporarily unavailable"

    def __init__(
        self, detail: str = "The service cannot answer now. Try again in a few seconds.", **extensions: Any
    ) -> None:
        """Tell the caller to wait for 2 s."""
        super().__init__(detail, headers={"Retry-After": "2"}, **extensions)


class LeadLost(Exception):  # noqa: N818 named for the fact
    """Another dispatcher leads, so this one must change nothing more. No caller of the API sees this error."""
