"""The errors that a caller may see, raised anywhere and rendered once (app/http/problem.py).

Problem                     status, code, title
├── Unauthenticated         401
├── InsufficientScope       403, and TenantSuspended
├── NotFound                404
├── IllegalState            409, and IdempotencyConflict, LimitReached, EmailTaken, LastOwner
├── MalformedBody           400, and InvalidCursor, InvalidCredentials
├── PayloadTooLarge         413
├── UnsupportedMediaType    415
├── InvalidRequest          422, and IdempotencyMismatch
├── RateLimited             429, and BacklogFull, DailyQuotaExceeded, MonthlyQuotaExceeded, TooManyAttempts,
│                           TooManyLargeBodies, TooManyLists
└── Unavailable             503
"""

from math import ceil
from typing import Any, ClassVar


class Problem(Exception):  # noqa: N818 RFC 9457 names it so
    """An RFC 9457 problem. ``extensions`` become members of the body, ``headers`` go with the response."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"

    def __init__(self, detail: str, *, headers: dict[str, str] | None = None, **extensions: Any) -> None:
        """``detail`` says what to do, and never echoes the input."""
        super().__init__(detail)
        self.detail = detail
        self.headers = headers or {}
        self.extensions = extensions


class Unauthenticated(Problem):
    """No credentials, or none that hold."""

    status, code, title = 401, "unauthenticated", "Authentication required"


class InsufficientScope(Problem):
    """The credentials hold, but do not allow this."""

    status, code, title = 403, "insufficient_scope", "Insufficient scope"


class TenantSuspended(Problem):
    """The operator has suspended the tenant."""

    status, code, title = 403, "tenant_suspended", "Tenant suspended"


class NotFound(Problem):
    """Unknown, or another tenant's: the two are told apart by nothing."""

    status, code, title = 404, "not_found", "Not found"


class InvalidRequest(Problem):
    """Well-formed, but not what the operation takes."""

    status, code, title = 422, "invalid_request", "Invalid request"


class InvalidCursor(Problem):
    """A cursor that this tenant was not given."""

    status, code, title = 400, "invalid_cursor", "Invalid cursor"


class MalformedBody(Problem):
    """Not strict JSON."""

    status, code, title = 400, "malformed_body", "Malformed body"


class UnsupportedMediaType(Problem):
    """Not ``application/json``, or encoded."""

    status, code, title = 415, "unsupported_media_type", "Unsupported media type"


class PayloadTooLarge(Problem):
    """The body is larger than any request may be."""

    status, code, title = 413, "payload_too_large", "Payload too large"


class InvalidCredentials(Problem):
    """Credentials sent twice or in two ways, so that it is not clear who is calling."""

    status, code, title = 400, "invalid_request", "Ambiguous credentials"


class IdempotencyConflict(Problem):
    """The first request with this idempotency key is still under way."""

    status, code, title = 409, "idempotency_conflict", "Request in progress"


class IdempotencyMismatch(Problem):
    """The idempotency key was used with another request."""

    status, code, title = 422, "idempotency_mismatch", "Idempotency key reused"


class IllegalState(Problem):
    """The task's status does not allow this."""

    status, code, title = 409, "illegal_state", "Not possible in this status"


class LimitReached(Problem):
    """A limit of the plan on how many of something there may be."""

    status, code, title = 409, "limit_reached", "Limit reached"


class EmailTaken(Problem):
    """A member, of this tenant or another, has the e-mail address."""

    status, code, title = 409, "email_taken", "E-mail address taken"


class LastOwner(Problem):
    """A tenant that has an owner keeps one who can log in."""

    status, code, title = 409, "last_owner", "Last owner"


class TooManyAttempts(Problem):
    """Too many logins or tokens were asked for, from this address or for this account."""

    status, code, title = 429, "too_many_attempts", "Too many attempts"

    def __init__(self, seconds: float) -> None:
        """Ask for another try after so many ``seconds``, rounded up."""
        wait = str(max(1, ceil(seconds)))
        super().__init__("Too many attempts. Wait as long as Retry-After says.", headers={"Retry-After": wait})


class RateLimited(Problem):
    """More requests than the tenant's rate admits."""

    status, code, title = 429, "rate_limited", "Too many requests"


class TooManyLargeBodies(Problem):
    """The tenant's large bodies take longer to read than it may keep others waiting."""

    status, code, title = 429, "too_many_large_bodies", "Too many large bodies"


class TooManyLists(Problem):
    """Two lists of the tenant, or tasks with their attempts, are being read already."""

    status, code, title = 429, "too_many_lists", "Too many lists at once"

    def __init__(self) -> None:
        """Ask for another try in a second."""
        detail = "Two lists, or whole tasks, of yours are being read. Wait for them, or as long as Retry-After says."
        super().__init__(detail, headers={"Retry-After": "1"})


class BacklogFull(Problem):
    """As many tasks wait as the plan allows."""

    status, code, title = 429, "backlog_full", "Backlog full"


class DailyQuotaExceeded(Problem):
    """The day's tasks are used up."""

    status, code, title = 429, "daily_quota", "Daily quota exceeded"


class MonthlyQuotaExceeded(Problem):
    """The month's tasks are used up."""

    status, code, title = 429, "monthly_quota", "Monthly quota exceeded"


class Unavailable(Problem):
    """Something we depend on is away; nothing was accepted."""

    status, code, title = 503, "unavailable", "Temporarily unavailable"

    def __init__(
        self, detail: str = "The service cannot answer now. Try again in a few seconds.", **extensions: Any
    ) -> None:
        """Ask for another try in 2 s."""
        super().__init__(detail, headers={"Retry-After": "2"}, **extensions)


class LeadLost(Exception):  # noqa: N818 named for the fact
    """Another dispatcher leads: this one changes nothing more. No caller of the API sees it."""
